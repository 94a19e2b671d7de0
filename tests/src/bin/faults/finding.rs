//! What a unit finds is a panic of whichever thread checks: its text is kept, whoever it ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// What threads have said since it was last taken.
static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// From now on panics are kept beside being printed.
pub(crate) fn keep_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        SAID.lock().expect("nobody panics while it holds this").push(panic.to_string());
        before(panic);
    }));
}

/// Does it; what any thread of it found wrong is the error.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    take();
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| take().join("\n"))
}

fn take() -> Vec<String> {
    std::mem::take(&mut SAID.lock().expect("nobody panics while it holds this"))
}
