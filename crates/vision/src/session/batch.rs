//! One session that many detectors share: pictures that wait at the same time go through the model together. On a GPU that
//! costs hardly more than one of them; on a CPU it gains nothing, and every worker has a session of its own there.

use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use types::ModelDigest;

use super::{Answers, Device, Model, Outputs, Tensor, output};
use crate::error::VisionError;

/// Pictures in one run, at most.
const MOST: usize = 16;

/// A picture of `[1, 3, height, width]` and where its answer goes.
struct Request {
    tensor: Vec<f32>,
    height: usize,
    width: usize,
    reply: SyncSender<Result<Vec<Tensor>, String>>,
}

/// A handle on the session, which ends with the last handle. Whoever asks waits, so that no more pictures wait than there are
/// handles.
#[derive(Clone)]
pub(crate) struct Shared {
    name: String,
    digest: ModelDigest,
    device: Device,
    requests: SyncSender<Request>,
    answer: Vec<Tensor>,
}

impl Shared {
    pub(crate) fn new(model: Model) -> Result<Self, VisionError> {
        let (requests, waiting) = sync_channel(MOST);
        let shared = Self { name: model.name.clone(), digest: model.digest, device: model.device, requests, answer: Vec::new() };
        let failed = |source| VisionError::Thread { model: shared.name.clone(), source };
        thread::Builder::new().name("batches".into()).spawn(move || serve(model, &waiting)).map_err(failed)?;
        Ok(shared)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn digest(&self) -> ModelDigest {
        self.digest
    }

    pub(crate) fn device(&self) -> Device {
        self.device
    }

    /// Like [`Model::run`], together with whatever other handles ask at the same time.
    pub(crate) fn run(&mut self, tensor: &[f32], height: usize, width: usize) -> Result<Answers<'_>, VisionError> {
        let (reply, answer) = sync_channel(1);
        let gone = || output(&self.name, "nothing: its thread has ended".into());
        self.requests.send(Request { tensor: tensor.to_vec(), height, width, reply }).map_err(|_| gone())?;
        self.answer = answer.recv().map_err(|_| gone())?.map_err(|why| output(&self.name, why))?;
        Ok(Answers { model: &self.name, outputs: Outputs::Own(&self.answer) })
    }
}

fn serve(mut model: Model, waiting: &Receiver<Request>) {
    let mut next: Option<Request> = None;
    while let Some(first) = next.take().or_else(|| waiting.recv().ok()) {
        let (height, width) = (first.height, first.width);
        let mut batch = vec![first];
        while batch.len() < MOST {
            match waiting.try_recv() {
                Ok(request) if (request.height, request.width) == (height, width) => batch.push(request),
                Ok(other) => {
                    next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        answer(&mut model, &batch, height, width);
    }
}

fn answer(model: &mut Model, batch: &[Request], height: usize, width: usize) {
    let joined: Vec<f32> = batch.iter().flat_map(|r| &r.tensor).copied().collect();
    let done = model.run_batch(&joined, batch.len(), height, width).and_then(|answers| answers.split(batch.len()));
    // A reply that nobody waits for any more is no error.
    match done {
        Ok(all) => batch.iter().zip(all).for_each(|(request, own)| _ = request.reply.send(Ok(own))),
        Err(error) => {
            let why = format!("no answer to {} pictures: {error}", batch.len());
            batch.iter().for_each(|request| _ = request.reply.send(Err(why.clone())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_to_many_pictures_are_cut_apart_in_their_order() {
        let tensor = |name: &str, shape: &[i64], values: &[f32]| Tensor {
            name: name.into(),
            shape: shape.to_vec(),
            values: values.to_vec(),
        };
        let all = [tensor("a", &[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), tensor("b", &[2, 1], &[8.0, 9.0])];
        let answers = Answers { model: "m", outputs: Outputs::Own(&all) };
        let parts = answers.split(2).unwrap();
        assert_eq!(parts[1][0].values, [3.0, 4.0, 5.0]);
        assert_eq!((parts[0][1].shape.as_slice(), parts[0][1].values.as_slice()), (&[1i64, 1][..], &[8.0f32][..]));
        assert!(answers.split(3).is_err(), "a model that does not answer picture by picture can't be shared");
    }
}
