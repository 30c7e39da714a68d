//! Lines on their way to standard output. They are collected for a moment and written together: a system call for each would
//! cost as much as reading the request that it tells of. None is left out: who makes lines faster than they are taken waits.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// So long a line waits for others, at most.
const COLLECT: Duration = Duration::from_millis(5);
/// More bytes than these do not wait: whoever adds to them writes them.
const MOST_WAITING: usize = 64 * 1024;

/// How long a line may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// A few milliseconds.
    Soon,
    /// It is written at once, behind those that wait.
    Now,
}

/// Where lines go.
pub(crate) struct LogOutput<W> {
    waiting: Mutex<Vec<u8>>,
    some_wait: Condvar,
    /// Locked before `waiting`, so that lines are written in the order in which they came.
    target: Mutex<Target<W>>,
}

struct Target<W> {
    output: W,
    /// What is being written; empty otherwise. Its room is used again.
    lines: Vec<u8>,
}

impl<W: Write> LogOutput<W> {
    pub(crate) fn new(output: W) -> Self {
        let target = Mutex::new(Target { output, lines: Vec::new() });
        Self { waiting: Mutex::default(), some_wait: Condvar::new(), target }
    }

    /// Takes whole lines.
    pub(crate) fn put(&self, lines: &[u8], urgency: Urgency) {
        let mut waiting = lock(&self.waiting);
        let are_first = waiting.is_empty();
        waiting.extend_from_slice(lines);
        let is_full = waiting.len() > MOST_WAITING;
        drop(waiting);
        if urgency == Urgency::Now || is_full {
            self.write_out();
        } else if are_first {
            self.some_wait.notify_one();
        }
    }

    /// Writes what waits.
    pub(crate) fn write_out(&self) {
        let mut target = lock(&self.target);
        let Target { output, lines } = &mut *target;
        std::mem::swap(lines, &mut lock(&self.waiting));
        // Nobody is left to tell if the output is gone.
        let _ = output.write_all(lines).and_then(|()| output.flush());
        lines.clear();
    }
}

impl<W: Write + Send + 'static> LogOutput<W> {
    /// Starts the thread that writes what nobody else has written.
    ///
    /// # Errors
    /// Those of the operating system.
    pub(crate) fn run(self: &Arc<Self>) -> io::Result<()> {
        let this = Arc::clone(self);
        let writer = thread::Builder::new().name("log".to_owned());
        let written = writer.spawn(move || {
            loop {
                let waiting = this.some_wait.wait_while(lock(&this.waiting), |waiting| waiting.is_empty());
                drop(waiting);
                thread::sleep(COLLECT);
                this.write_out();
            }
        });
        written.map(drop)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<W> fmt::Debug for LogOutput<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LogOutput(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Hands on each write as a text.
    struct Writes(mpsc::Sender<String>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(String::from_utf8(bytes.to_vec()).unwrap()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn output() -> (LogOutput<Writes>, mpsc::Receiver<String>) {
        let (sender, writes) = mpsc::channel();
        (LogOutput::new(Writes(sender)), writes)
    }

    #[test]
    fn lines_are_written_together_and_in_order_and_none_waits_behind_an_urgent_one() {
        let (output, writes) = output();
        output.put(b"1\n", Urgency::Soon);
        output.put(b"2\n", Urgency::Soon);
        assert!(writes.try_recv().is_err(), "they wait");
        output.put(b"3\n", Urgency::Now);
        output.put(b"4\n", Urgency::Soon);
        output.write_out();
        assert_eq!(writes.try_iter().collect::<Vec<_>>(), ["1\n2\n3\n", "4\n"]);
    }

    #[test]
    fn a_flood_is_bounded_and_nothing_of_it_is_left_out() {
        let (output, writes) = output();
        let line = "x".repeat(999) + "\n";
        for _ in 0..1_000 {
            output.put(line.as_bytes(), Urgency::Soon);
            assert!(lock(&output.waiting).len() <= MOST_WAITING);
        }
        output.write_out();
        assert_eq!(writes.try_iter().map(|write| write.len()).sum::<usize>(), 1_000_000);
    }

    #[test]
    fn a_line_that_nobody_else_writes_is_written_by_the_thread() {
        let (output, writes) = output();
        let output = Arc::new(output);
        output.run().unwrap();
        for line in ["1\n", "2\n"] {
            output.put(line.as_bytes(), Urgency::Soon);
            assert_eq!(writes.recv_timeout(Duration::from_secs(10)).unwrap(), line);
        }
    }
}
