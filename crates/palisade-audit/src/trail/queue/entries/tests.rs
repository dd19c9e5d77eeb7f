use std::time::Duration;

use super::*;

const CAPACITY: usize = 16;

/// Records a request on this thread, which then has an entry for its next one.
fn request(queue: &Arc<Queue>) {
    let entry = queue.entry(Need::Possible);
    assert_eq!(entry.place, Place::Promised);
    queue.push_request(entry, Room::Over);
}

/// Writes what waits.
fn write(queue: &Queue) {
    let (mut items, mut spent) = (Vec::new(), Vec::new());
    queue.take(&mut items, &mut spent, Some(Duration::ZERO));
    for item in items {
        if let Item::Request(entry, _) = item {
            spent.push(entry);
        }
    }
    queue.take(&mut Vec::new(), &mut spent, Some(Duration::ZERO));
}

/// The places that can be promised at once.
fn promised(queue: &Arc<Queue>) -> usize {
    let entries: Vec<Slot> = (0..2 * CAPACITY)
        .map(|_| queue.entry(Need::Possible))
        .filter(|entry| entry.place == Place::Promised)
        .collect();
    let promised = entries.len();
    entries.into_iter().for_each(|entry| queue.give_back(entry));
    promised
}

#[test]
fn a_thread_that_ends_gives_its_place_back() {
    let queue = Arc::new(Queue::new(CAPACITY));
    for _ in 0..2 * CAPACITY {
        let queue = Arc::clone(&queue);
        std::thread::spawn(move || {
            request(&queue);
            write(&queue);
        })
        .join()
        .unwrap();
    }
    assert_eq!(promised(&queue), CAPACITY);
}

#[test]
fn a_thread_that_serves_two_trails_keeps_one_place_alone() {
    let queues = [(); 2].map(|()| Arc::new(Queue::new(CAPACITY)));
    for _ in 0..2 * CAPACITY {
        for queue in &queues {
            request(queue);
            write(queue);
        }
    }
    for queue in &queues {
        assert_eq!(promised(queue), CAPACITY);
    }
}

#[test]
fn an_entry_for_the_next_request_has_nothing_of_the_last_one() {
    let queue = Arc::new(Queue::new(CAPACITY));
    for round in 0..4 {
        let mut entry = queue.entry(Need::Possible);
        assert_eq!(entry.sent, 0, "{round}");
        assert!(entry.headers().next().is_none() && entry.path().is_empty());
        entry.sent = 1;
        entry.set_path("/a");
        entry.add_header(
            &http::header::USER_AGENT,
            &http::HeaderValue::from_static("a"),
        );
        queue.push_request(entry, Room::Over);
        write(&queue);
    }
}

#[test]
fn a_queue_that_is_full_promises_nothing_ahead_and_does_again_once_there_is_room() {
    let queue = Arc::new(Queue::new(CAPACITY));
    let held: Vec<Slot> = (0..CAPACITY).map(|_| queue.entry(Need::Possible)).collect();
    queue.push_request(queue.entry(Need::Possible), Room::Over);
    assert_eq!(queue.entry(Need::Possible).place, Place::None);
    held.into_iter().for_each(|entry| queue.give_back(entry));
    write(&queue);
    request(&queue);
    assert_eq!(promised(&queue), CAPACITY);
}
