use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderValue, Request};
use palisade::audit::Batch;
use palisade::{Reload, Stack};
use tokio::sync::mpsc;
use tower::{Layer, ServiceExt};

use crate::stacks::{
    Answer, PER_CLIENT, PER_PRINCIPAL, Shared, is_even, patient_audit, request, whole_json,
};

const REQUESTS: u64 = 100_000;
const REPLACEMENTS: u64 = 1_000;
const TASKS: u64 = 8;

/// Principals, each with an address of its own; that of nobody is the last.
const PRINCIPALS: u64 = 10;
const NOBODY: u64 = PRINCIPALS;

/// 100,000 requests from eight tasks, and 1,000 replacements meanwhile.
///
/// Its properties, how each is seen, and what would break it:
///
/// - *Every request is answered*: the count of answers, for requests that a replacement would lose.
/// - *Each answer is of one stack*: [`Answer::number`], for a request whose later layers, response or sealed fields
///   came from another stack than its first layer; the status by the number, for a limit that shadow mode ignored.
/// - *The stack is the one of the time*: its number lies between those before and after the request, for a stack that
///   is kept or cached too long.
/// - *Counts survive*: each value of `x-ratelimit-remaining` comes exactly once over all stacks, for counts that begin
///   anew, are kept by stack, or are charged twice.
/// - *Every request has one record*: ids and statuses of the trail are those of the answers, for records that get lost
///   or are written twice.
/// - *What was replaced is freed*: tokens in the closures of three layers, for a stack that stays behind.
/// - *Replacements met requests*: how many requests began under one stack and ended under another, for a test that
///   proves nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_load_every_answer_is_of_one_stack_and_nothing_is_lost() {
    let recorded = Recorded::default();
    let sink = recorded.clone();
    let (audit, trail) = patient_audit()
        .sink(move |batch: &Batch| {
            sink.add(batch);
            Ok(())
        })
        .open()
        .unwrap();
    let shared = Arc::new(Shared::new(audit));
    let (stack, reload) = shared.stack(0).reloadable();
    let progress = Arc::new(Progress::default());
    let (due, dues) = mpsc::channel(1);
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let load = Load::new(&shared, &stack, &progress, due.clone());
            tokio::spawn(load.run(task))
        })
        .collect();
    drop((due, stack));
    let replaced = replace(&reload, &shared, &progress, dues).await;
    let mut seen = Vec::new();
    for task in tasks {
        seen.extend(task.await.unwrap());
    }

    assert_eq!((seen.len() as u64, replaced), (REQUESTS, REPLACEMENTS));
    let crossed = seen.iter().filter(|seen| seen.crossed).count();
    assert!(crossed >= 1_000, "only {crossed} met a replacement");
    assert_that_counts_survived(&seen);
    let shutdown = trail.shutdown(Duration::from_secs(60));
    assert!(shutdown.complete && shutdown.lost == 0, "{shutdown:?}");
    recorded.assert_one_record_for_each(&seen);
    // The services are gone, and what was replaced with them.
    assert_eq!(shared.stacks_alive(), 1);
    reload.replace(Stack::new());
    assert_eq!(shared.stacks_alive(), 0);
}

/// The number of replacements so far.
#[derive(Default)]
struct Progress {
    answered: AtomicU64,
    /// The number of the latest stack whose replacement has begun.
    begun: AtomicU64,
    /// The number of the latest stack whose replacement has returned.
    done: AtomicU64,
}

/// Replaces the stack whenever it is due, and counts how often.
async fn replace(
    reload: &Reload,
    shared: &Shared,
    progress: &Progress,
    mut dues: mpsc::Receiver<()>,
) -> u64 {
    let mut number = 0;
    while let Some(()) = dues.recv().await {
        number += 1;
        let stack = shared.stack(number);
        progress.begun.store(number, Ordering::SeqCst);
        reload.replace(stack);
        progress.done.store(number, Ordering::SeqCst);
    }
    number
}

struct Load {
    stack: Stack,
    progress: Arc<Progress>,
    due: mpsc::Sender<()>,
    credentials: Vec<HeaderValue>,
}

/// The parts of an answer that are remembered.
struct Seen {
    id: String,
    status: u16,
    stack: u64,
    caller: u64,
    /// `x-ratelimit-remaining`.
    remaining: Option<u32>,
    /// Whether the stack was replaced meanwhile.
    crossed: bool,
}

impl Load {
    fn new(
        shared: &Shared,
        stack: &Stack,
        progress: &Arc<Progress>,
        due: mpsc::Sender<()>,
    ) -> Self {
        let credential = |caller| shared.credential(&format!("user-{caller}"));
        Self {
            stack: stack.clone(),
            progress: Arc::clone(progress),
            due,
            credentials: (0..PRINCIPALS).map(credential).collect(),
        }
    }

    async fn run(self, task: u64) -> Vec<Seen> {
        let service = self.stack.layer(tower::service_fn(|_: Request<()>| async {
            // Lets others run, and be replaced, in the middle of a request.
            tokio::task::yield_now().await;
            whole_json()
        }));
        let mut all = Vec::new();
        for index in (task..REQUESTS).step_by(TASKS as usize) {
            let (caller, request) = self.request(index);
            let before = self.progress.done.load(Ordering::SeqCst);
            let response = service.clone().oneshot(request).await.unwrap();
            let after = self.progress.begun.load(Ordering::SeqCst);
            let answer = Answer::read(response).await;
            let seen = Seen::new(caller, &answer, before != after);
            assert!(
                (before..=after).contains(&seen.stack),
                "{before} {after} {answer:?}"
            );
            all.push(seen);
            let answered = self.progress.answered.fetch_add(1, Ordering::SeqCst) + 1;
            if answered.is_multiple_of(REQUESTS / REPLACEMENTS) {
                self.due.send(()).await.unwrap();
            }
        }
        all
    }

    /// The request of this index, and its caller: three of four are signed in.
    fn request(&self, index: u64) -> (u64, Request<()>) {
        let caller = match index % 4 {
            0 => NOBODY,
            _ => index / 4 % PRINCIPALS,
        };
        let credential = self.credentials.get(caller as usize);
        (caller, request(caller as u8, credential))
    }
}

impl Seen {
    fn new(caller: u64, answer: &Answer, crossed: bool) -> Self {
        let remaining = answer.text("x-ratelimit-remaining").parse().ok();
        let stack = answer.number();
        match (caller, answer.status) {
            (NOBODY, 401) => assert!(remaining.is_some() || !is_even(stack), "{answer:?}"),
            (NOBODY, 429) => assert!(is_even(stack), "shadow mode refuses nothing: {answer:?}"),
            (NOBODY, _) => panic!("{answer:?}"),
            (_, status) => assert!(matches!(status, 200 | 429), "{answer:?}"),
        }
        Self {
            id: answer.text("x-request-id").to_owned(),
            status: answer.status,
            stack,
            caller,
            remaining,
            crossed,
        }
    }
}

/// Each count went down by one for each request that passed, whichever stack it met.
fn assert_that_counts_survived(seen: &[Seen]) {
    for caller in 0..=NOBODY {
        let (status, quota) = match caller {
            // Let through by the limit, and refused further in.
            NOBODY => (401, PER_CLIENT),
            _ => (200, PER_PRINCIPAL),
        };
        let passed = seen
            .iter()
            .filter(|seen| seen.caller == caller && seen.status == status);
        // The limit of clients watches where its quota is used up and a stack is in shadow mode; it says nothing then.
        let mut remaining: Vec<_> = passed.filter_map(|seen| seen.remaining).collect();
        remaining.sort_unstable();
        let expected: Vec<_> = (0..quota).collect();
        let wrong = remaining
            .iter()
            .zip(&expected)
            .find(|(left, right)| left != right);
        assert_eq!(wrong, None, "{caller}");
        assert_eq!(remaining.len(), expected.len(), "{caller}");
    }
}

/// Ids and statuses of the requests that a trail has records of.
#[derive(Clone, Default)]
struct Recorded(Arc<Mutex<Vec<(String, u16)>>>);

impl Recorded {
    fn add(&self, batch: &Batch) {
        let lines = batch.lines().map(|line| line.text);
        let requests = lines.filter(|line| line.contains(r#""event":"http_request""#));
        self.0.lock().unwrap().extend(requests.map(|line| {
            let id = member(line, r#""request_id":""#).to_owned();
            (id, member(line, r#""status":"#).parse().unwrap())
        }));
    }

    fn assert_one_record_for_each(&self, seen: &[Seen]) {
        let recorded = self.0.lock().unwrap();
        assert_eq!(recorded.len(), seen.len());
        let statuses: HashMap<_, _> = recorded.iter().cloned().collect();
        for seen in seen {
            assert_eq!(statuses.get(&seen.id), Some(&seen.status), "{}", seen.id);
        }
    }
}

/// The text behind a name, up to the next quote, comma or brace.
fn member<'a>(line: &'a str, name: &str) -> &'a str {
    let (_, rest) = line.split_once(name).unwrap();
    rest.split(['"', ',', '}']).next().unwrap()
}
