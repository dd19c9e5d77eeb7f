use std::sync::Arc;

use palisade_core::time::Instant;

use super::batch::Batch;
use super::seal::{Chain, Hash};
use crate::format::Format;
use crate::format::native::Tools;
use crate::format::view::View;

/// Lines of one format on their way; the first of a trail's streams is the one that is sealed.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) format: Format,
    pub(crate) batch: Batch,
    pub(crate) chain: Option<Chain>,
}

impl Stream {
    pub(crate) fn new(format: Format, chain: Option<Chain>) -> Self {
        Self {
            format,
            batch: Batch::default(),
            chain,
        }
    }

    /// Appends a record; with `signed_at` it becomes a signed checkpoint.
    pub(crate) fn line(
        &mut self,
        seq: u64,
        view: &View<'_>,
        tools: &mut Tools,
        signed_at: Option<Instant>,
    ) {
        let out = &mut self.batch.bytes;
        let start = out.len();
        self.format.open(out, seq, view, tools);
        if let Some(chain) = &mut self.chain {
            chain.write(out, seq);
            if let Some(now) = signed_at {
                chain.sign(out, start, now);
            }
        }
        self.format.close(out);
        if let Some(chain) = &mut self.chain {
            chain.take(out.get(start..).unwrap_or_default());
        }
        self.batch.end_line(view.severity);
    }

    /// Takes the lines, to be handed on.
    pub(crate) fn take(&mut self) -> Arc<Batch> {
        Arc::new(std::mem::take(&mut self.batch))
    }

    /// Uses the memory of lines again that everybody is done with.
    pub(crate) fn give_back(&mut self, batch: Arc<Batch>) {
        if let Some(mut batch) = Arc::into_inner(batch) {
            batch.clear();
            self.batch = batch;
        }
    }

    /// The hash of the last line, where the stream is sealed.
    pub(crate) fn head(&self) -> Hash {
        self.chain
            .as_ref()
            .map_or(Hash::default(), |chain| chain.head)
    }

    /// Goes back to this line: those after it were never written.
    pub(crate) fn rewind(&mut self, head: Hash) {
        if let Some(chain) = &mut self.chain {
            chain.head = head;
        }
    }
}
