//! What systemd is told, where it started this process: that it is up, that it lives, that it stops.

use sd_notify::NotifyState;

/// It answers from now on.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// It was told to end, or has to.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says again and again that it lives, where somebody wants to know. A process whose runtime is stuck does not say so and is
/// started anew. Never returns.
pub async fn live() {
    let Some(within) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    let mut tick = tokio::time::interval(within / 3);
    loop {
        tick.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, ?state, "systemd was not told");
    }
}
