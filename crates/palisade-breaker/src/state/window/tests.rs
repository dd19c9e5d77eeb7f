use palisade_core::time;

use super::*;

/// A window of 64 slices of two of these.
const HALF: Duration = Duration::from_millis(500);

/// In halves of a slice: every other moment within the window, and each around the ends of slices at its end.
fn gaps() -> impl Iterator<Item = u32> + Clone {
    (0..6).chain((6..122).step_by(29)).chain(122..=132)
}

fn window() -> Window {
    Window::new(Extent::Time(HALF * 128))
}

#[test]
fn a_call_counts_for_all_slices_but_one_and_never_for_longer_than_the_window() {
    let start = time::now();
    let at = |halves: u32| start + HALF * halves;
    for second in gaps() {
        for third in gaps() {
            for look in gaps() {
                // The first of them begins the slices. One of each kind, to tell them apart.
                let times = [0, second, second + third];
                let [first, second, third] = times;
                let look = third + look;
                let mut window = window();
                window.record(at(first), false, false);
                window.record(at(second), true, false);
                window.record(at(third), false, true);
                let Tally {
                    calls,
                    failed,
                    slow,
                } = window.tally(at(look));
                let counted = [calls - failed - slow, failed, slow];
                for (time, counted) in times.into_iter().zip(counted) {
                    let age = look - time;
                    let expected = if age < 126 {
                        1..=1
                    } else {
                        0..=u64::from(age < 128)
                    };
                    assert!(expected.contains(&counted), "{times:?} at {look}: {time}");
                }
            }
        }
    }
}

#[test]
fn a_cleared_window_is_empty_and_begins_anew() {
    let start = time::now();
    let calls = || Window::new(Extent::Calls(NonZeroU32::MIN.saturating_add(9)));
    for mut window in [calls(), self::window()] {
        window.record(start, true, true);
        window.clear();
        assert_eq!(window.tally(start), Tally::default());
        let later = start + HALF;
        window.record(later, false, true);
        let one = Tally {
            calls: 1,
            failed: 0,
            slow: 1,
        };
        assert_eq!(window.tally(later + HALF * 125), one);
    }
}
