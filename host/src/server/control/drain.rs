//! The end: workers drain, and are waited for.

use super::Control;
use super::signals::Signals;
use crate::snapshot::Event;
use crate::worker::Command;

impl Control {
    /// Waits for the workers, or for a second signal.
    pub(super) async fn drain(&mut self, why: &str, signals: &mut Signals) {
        tracing::info!(why, timeout = ?self.drain_timeout, "draining");
        self.overview.set_ready(false);
        // Before the sockets are closed: who comes now is told that there is nobody, and not left in the queue.
        self.socket_files.clear();
        for worker in &self.workers {
            worker.tell(Command::Drain(self.drain_timeout));
        }
        let mut running = self.workers.len();
        let mut cut_off = 0;
        while running > 0 {
            let event = tokio::select! {
                event = self.events.recv() => event,
                // Who asks for a change is told that we are stopping.
                Some(_) = self.orders.recv() => continue,
                () = stopped_again(signals) => {
                    tracing::warn!("told to stop once more: stopped without draining");
                    return;
                }
            };
            match event {
                Some(Event::Stopped { cut, .. }) => {
                    running -= 1;
                    cut_off += cut;
                }
                Some(Event::Faulted { wreck: Some(wreck), .. } | Event::Retired(wreck)) => {
                    self.registry.dispose(wreck);
                }
                Some(_) => {}
                None => break,
            }
        }
        if let Some(log) = self.access_log.take() {
            log.finish();
        }
        if cut_off > 0 {
            tracing::warn!(connections = cut_off, "stopped; connections were cut off");
        } else {
            tracing::info!("stopped");
        }
    }
}

async fn stopped_again(signals: &mut Signals) {
    tokio::select! {
        _ = signals.terminate.recv() => {}
        _ = signals.interrupt.recv() => {}
    }
}
