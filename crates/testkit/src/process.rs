//! Real processes in a test: started, waited for until they serve, listened to, stopped in the way the test is about,
//! and never left behind. It knows nothing of what the process does.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::port::ReservedPort;

/// How long a process may take to serve, to say something, or to end. Far above what is normal: the machine may be
/// busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time between two looks.
const POLL: Duration = Duration::from_millis(20);
/// How long one connection attempt may take.
const ATTEMPT: Duration = Duration::from_secs(1);

/// When a process counts as started.
#[derive(Debug, Clone)]
pub enum Ready {
    /// It accepts TCP connections here.
    Listens(SocketAddr),
    /// It answers `GET path` with a 2xx status.
    Answers(SocketAddr, String),
    /// It has written this text to stdout or stderr.
    Says(String),
}

/// A running process. Dropped, it is killed together with its children.
pub struct Process {
    name: String,
    child: Child,
    stdout: Transcript,
    stderr: Transcript,
}

/// The process ended, or did not become ready in time. Holds what it had written by then.
#[derive(Debug)]
pub struct StartError(String);

impl Process {
    /// Starts `command` and waits until it is ready. Its stdin is closed; what it writes is kept.
    ///
    /// # Errors
    /// [`StartError`] if it cannot be started, ends before it is ready, or is not ready after a minute.
    pub async fn start(mut command: Command, ready: Ready) -> Result<Self, StartError> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| StartError(format!("{name} cannot be started: {error}")))?;
        let stdout = Transcript::of(child.stdout.take().expect("stdout is piped"));
        let stderr = Transcript::of(child.stderr.take().expect("stderr is piped"));
        let mut process = Self { name, child, stdout, stderr };
        process.wait_until(&ready).await?;
        Ok(process)
    }

    /// Starts what `build` describes on a free port, and again on another one if the process ended before it was
    /// ready: somebody may have taken the port in between.
    ///
    /// # Panics
    /// If it was not ready after three attempts.
    pub async fn start_on_free_port(
        build: impl Fn(&ReservedPort) -> (Command, Ready),
    ) -> (ReservedPort, Self) {
        let mut failures = Vec::new();
        for _ in 0..3 {
            let port = ReservedPort::new();
            let (command, ready) = build(&port);
            match Self::start(command, ready).await {
                Ok(process) => return (port, process),
                Err(failure) => failures.push(failure.to_string()),
            }
        }
        panic!("{}", failures.join("\n"))
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to stdout so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has written to stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// How it ended, or `None` while it runs.
    ///
    /// # Panics
    /// If the operating system cannot tell.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the state of a child process")
    }

    /// Waits until it has written `text`.
    ///
    /// # Panics
    /// If it ended, or a minute passed, without it.
    pub async fn wait_for_output(&mut self, text: &str) {
        self.wait_until(&Ready::Says(text.to_owned())).await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Asks it to stop (SIGTERM) and waits for its end.
    ///
    /// # Panics
    /// If it has not ended after a minute.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.send_sigterm();
        self.wait().await
    }

    /// Asks it to stop (SIGTERM) and does not wait: for tests that look at it while it shuts down.
    pub fn send_sigterm(&self) {
        self.signal(Signal::TERM);
    }

    /// Asks it to read its files again (SIGHUP).
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Stops it where it is (SIGSTOP): connections stay open and nothing answers. Returns when all its threads stand
    /// still, or when it has ended.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        if let Some(pid) = pid(self.child.id()) {
            let stopped_or_ended = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            // An error means that its end was seen already.
            let _ = waitid(WaitId::Pid(pid), stopped_or_ended);
        }
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = pid(self.child.id()) {
            // An error means that it has ended already.
            let _ = kill_process(pid, signal);
        }
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it has not ended after a minute.
    pub async fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.exit_status() {
                return status;
            }
            assert!(Instant::now() < deadline, "{} has not ended:\n{}", self.name, self.transcript());
            tokio::time::sleep(POLL).await;
        }
    }

    /// Ends it as a power cut would (SIGKILL), with its children, and collects it.
    pub fn kill9(&mut self) {
        for child in children(self.child.id()) {
            let _ = kill_process(child, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    async fn wait_until(&mut self, ready: &Ready) -> Result<(), StartError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Asked before the look, so that the last words of a process that ended are still found.
            let ended = self.exit_status();
            if self.is_ready(ready).await {
                return Ok(());
            }
            if let Some(status) = ended {
                return Err(self.failure(&format!("ended with {status}")));
            }
            if Instant::now() > deadline {
                return Err(self.failure(&format!("is not ready ({ready:?})")));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn is_ready(&self, ready: &Ready) -> bool {
        match ready.clone() {
            Ready::Says(text) => self.stdout().contains(&text) || self.stderr().contains(&text),
            Ready::Listens(address) => blocking(move || TcpStream::connect_timeout(&address, ATTEMPT)).await,
            Ready::Answers(address, path) => blocking(move || get(address, &path)).await,
        }
    }

    fn failure(&self, what: &str) -> StartError {
        StartError(format!("{} {what}:\n{}", self.name, self.transcript()))
    }

    fn transcript(&self) -> String {
        format!("--- stdout\n{}\n--- stderr\n{}", self.stdout(), self.stderr())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Process({}, pid {})\n{}", self.name, self.child.id(), self.transcript())
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// What a stream has said so far, collected by a thread of its own so that the process never waits for a reader.
#[derive(Clone, Default)]
struct Transcript(Arc<Mutex<Vec<u8>>>);

impl Transcript {
    fn of(mut stream: impl Read + Send + 'static) -> Self {
        let transcript = Self::default();
        let sink = transcript.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                sink.0.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        transcript
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

async fn blocking<T: Send + 'static>(attempt: impl FnOnce() -> io::Result<T> + Send + 'static) -> bool {
    tokio::task::spawn_blocking(attempt).await.is_ok_and(|outcome| outcome.is_ok())
}

/// One attempt to `GET path`.
///
/// # Errors
/// If nobody answers within a second, or anything but a 2xx status.
pub fn get(address: SocketAddr, path: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, ATTEMPT)?;
    stream.set_read_timeout(Some(ATTEMPT))?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut start = [0; "HTTP/1.1 2".len()];
    stream.read_exact(&mut start)?;
    if start == *b"HTTP/1.1 2" { Ok(()) } else { Err(io::Error::other("not a 2xx status")) }
}

fn pid(id: u32) -> Option<Pid> {
    Pid::from_raw(id.try_into().ok()?)
}

/// The children of a process where Linux tells: a killed nginx master would leave its workers listening.
fn children(parent: u32) -> Vec<Pid> {
    let list = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|id| pid(id.parse().ok()?)).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn output_is_kept_by_stream_and_sigterm_reaches_the_process() {
        let script =
            "trap 'echo stopped; exit 7' TERM; echo ready; echo warning >&2; while :; do sleep 0.05; done";
        let mut process = Process::start(shell(script), Ready::Says("ready".to_owned())).await.unwrap();
        process.wait_for_output("warning").await;
        assert_eq!(process.terminate().await.code(), Some(7));
        process.wait_for_output("stopped").await;
        assert_eq!((process.stdout().as_str(), process.stderr().as_str()), ("ready\nstopped\n", "warning\n"));
    }

    #[tokio::test]
    async fn a_process_that_ends_early_is_an_error_with_its_words() {
        let ready = Ready::Listens(ReservedPort::new().address());
        let error = Process::start(shell("echo reason >&2; exit 3"), ready).await.unwrap_err().to_string();
        assert!(error.contains("exit status: 3"), "{error}");
        let error =
            Process::start(Command::new("/no/such/program"), Ready::Says(String::new())).await.unwrap_err();
        assert!(error.to_string().contains("/no/such/program cannot be started"), "{error}");
    }

    #[tokio::test]
    async fn only_a_2xx_answer_counts() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for status in ["503 Not Yet", "204 No Content"] {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 1024]);
                write!(stream, "HTTP/1.1 {status}\r\n\r\n").unwrap();
            }
        });
        assert!(get(address, "/").is_err());
        assert!(get(address, "/").is_ok());
    }

    #[tokio::test]
    async fn a_dropped_process_is_gone_with_its_children() {
        let script = "sleep 300 & echo child $!; wait";
        let mut process = Process::start(shell(script), Ready::Says("child".to_owned())).await.unwrap();
        process.wait_for_output("\n").await;
        let stdout = process.stdout();
        let ids = [process.id().to_string(), stdout.replace("child", "").trim().to_owned()];
        drop(process);
        for id in ids {
            let deadline = Instant::now() + PATIENCE;
            while is_running(&id) {
                assert!(Instant::now() < deadline, "process {id} still runs");
                tokio::time::sleep(POLL).await;
            }
        }
    }

    /// A zombie that init has not collected yet does not run.
    fn is_running(id: &str) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        state.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
    }
}
