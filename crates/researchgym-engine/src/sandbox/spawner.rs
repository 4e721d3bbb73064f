//! The threads that start sandboxes.
//!
//! Bubblewrap is told to die with its parent, and the kernel means the *thread* that started it. So nothing but these
//! threads may start one, and they never end.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, OnceLock};

const THREADS: usize = 4;

type Work = Box<dyn FnOnce() + Send>;

/// Runs blocking work on one of the threads.
pub(super) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    static QUEUE: OnceLock<Mutex<Sender<Work>>> = OnceLock::new();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let work: Work = Box::new(move || {
        // Nobody waits any more: what was started is dropped, which ends it.
        let _ = sender.send(work());
    });
    let queue = QUEUE.get_or_init(start_threads);
    queue
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .send(work)
        .expect("the threads that take work never end");
    receiver.await.expect("the threads that take work never end")
}

fn start_threads() -> Mutex<Sender<Work>> {
    let (sender, receiver) = mpsc::channel::<Work>();
    let receiver = Arc::new(Mutex::new(receiver));
    for number in 0..THREADS {
        let receiver = Arc::clone(&receiver);
        std::thread::Builder::new()
            .name(format!("sandboxes-{number}"))
            .spawn(move || serve(&receiver))
            .expect("four threads can be started before any sandbox is");
    }
    Mutex::new(sender)
}

fn serve(receiver: &Mutex<Receiver<Work>>) {
    loop {
        let next = receiver.lock().unwrap_or_else(std::sync::PoisonError::into_inner).recv();
        match next {
            // A panic must not end the thread: the sandboxes it has started would die with it.
            Ok(work) => drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))),
            Err(_) => return,
        }
    }
}
