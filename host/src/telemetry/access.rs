//! The access log: a line per request, collected by each worker and written by a thread of its own, so that
//! a slow disk stops no request.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use crate::config::AccessLog;

/// Lines wait until there are this many bytes, or until the worker's next tick.
const BATCH: usize = 32 << 10;

/// Batches that may wait for the disk. What comes beyond is dropped, and said.
const QUEUE: usize = 256;

enum Message {
    Lines(Vec<u8>),
    /// Look at what else there is to do.
    Nudge,
}

/// The writing end, held by control; each worker has its own by [`Writer::sink`].
#[derive(Debug)]
pub struct Writer {
    sender: SyncSender<Message>,
    reopen: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Writer {
    /// Opens the log, and starts the thread that writes it until the last sink is gone.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn start(log: &AccessLog) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE);
        let log = log.clone();
        let file = match &log {
            AccessLog::Stdout => None,
            AccessLog::File(path) => Some(open(path)?),
        };
        let reopen = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&reopen);
        let writing = move || write(&log, file, &receiver, &asked);
        let thread = thread::Builder::new().name("access-log".into()).spawn(writing)?;
        Ok(Self { sender, reopen, thread })
    }

    /// Closes the file and opens it again by its name, after it was moved away.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Relaxed);
        // When the queue is full, the writer comes by here anyway.
        let _ = self.sender.try_send(Message::Nudge);
    }

    /// Waits until everything is written. The sinks must be gone.
    pub fn finish(self) {
        drop(self.sender);
        let _ = self.thread.join();
    }

    /// For one worker.
    pub fn sink(&self) -> Sink {
        Sink { lines: RefCell::default(), sender: self.sender.clone() }
    }
}

/// Where one worker's lines go.
#[derive(Debug)]
pub struct Sink {
    lines: RefCell<Vec<u8>>,
    sender: SyncSender<Message>,
}

impl Sink {
    /// Adds what `line` writes, and a line end.
    pub fn line(&self, line: impl FnOnce(&mut Vec<u8>)) {
        let mut lines = self.lines.borrow_mut();
        line(&mut lines);
        lines.push(b'\n');
        if lines.len() >= BATCH {
            self.send(&mut lines);
        }
    }

    /// Hands over what has been collected.
    pub fn flush(&self) {
        let mut lines = self.lines.borrow_mut();
        if !lines.is_empty() {
            self.send(&mut lines);
        }
    }

    fn send(&self, lines: &mut Vec<u8>) {
        let batch = std::mem::replace(lines, Vec::with_capacity(BATCH + 1024));
        if let Err(TrySendError::Full(_)) = self.sender.try_send(Message::Lines(batch)) {
            tracing::warn!("the access log's disk is too slow: a batch of lines was dropped");
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let lines = std::mem::take(self.lines.get_mut());
        if !lines.is_empty() {
            let _ = self.sender.send(Message::Lines(lines));
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn write(log: &AccessLog, mut file: Option<File>, messages: &Receiver<Message>, reopen: &AtomicBool) {
    for message in messages {
        if let AccessLog::File(path) = log
            && reopen.swap(false, Ordering::Relaxed)
        {
            match open(path) {
                Ok(reopened) => file = Some(reopened),
                Err(error) => tracing::error!(%error, path = %path.display(), "cannot reopen the access log"),
            }
        }
        let Message::Lines(lines) = message else { continue };
        let written = match &mut file {
            Some(file) => file.write_all(&lines),
            None => io::stdout().lock().write_all(&lines),
        };
        if let Err(error) = written {
            tracing::warn!(%error, "cannot write the access log");
        }
    }
}
