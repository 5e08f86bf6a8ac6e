/// Scales to a norm; a vector of nothing stays.
pub(super) fn scale_to(values: &mut [f32], norm: f32) {
    let now = values.iter().map(|v| v * v).sum::<f32>().sqrt();
    if now > 1e-9 {
        values.iter_mut().for_each(|v| *v *= norm / now);
    }
}
