//! The places in the queue: decisions alone, which know the number of records that wait.

/// The place in the queue that a request has for its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Place {
    #[default]
    None,
    /// One over the limit, given when the request enters, for a record that turns out not to be best effort: a request
    /// that is dropped cannot wait for another.
    Promised,
    /// One within the limit.
    Reserved,
}

/// The rule by which a record enters that has no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// Only while a quarter is left for those with a better right. A place that was promised goes back.
    Ordinary,
    /// Even over the limit, up to twice of it less the places that are promised to others.
    Over,
}

/// The places that are given away. Within the limit and over it there are as many as the capacity, so that no more than
/// twice of it ever wait.
#[derive(Debug)]
pub(super) struct Places {
    capacity: usize,
    reserved: usize,
    promised: usize,
    /// The records' worth of lines that wait for a file which does not answer.
    held: usize,
}

impl Places {
    pub(super) const fn new(capacity: usize) -> Self {
        Self {
            capacity,
            reserved: 0,
            promised: 0,
            held: 0,
        }
    }

    pub(super) const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Gives a place within the limit, if there is one, for the one that it has.
    pub(super) const fn reserve(&mut self, place: &mut Place, queued: usize) -> bool {
        if matches!(place, Place::Reserved) {
            return true;
        }
        let room = queued + self.reserved + self.held < self.capacity;
        if room {
            self.give_back(*place);
            self.reserved += 1;
            *place = Place::Reserved;
        }
        room
    }

    /// Gives a place over the limit, if there is one, to who has none.
    pub(super) const fn promise(&mut self, place: &mut Place, queued: usize) {
        if matches!(place, Place::None)
            && self.promised < self.capacity
            && self.is_below_twice(queued)
        {
            self.promised += 1;
            *place = Place::Promised;
        }
    }

    /// Whether a record may enter, which gives its place back, if it had one.
    pub(super) const fn admit(&mut self, room: Room, place: Place, queued: usize) -> bool {
        self.give_back(place);
        match (room, place) {
            (_, Place::Reserved) | (Room::Over, Place::Promised) => true,
            (Room::Ordinary, _) => queued + self.reserved < self.capacity - self.capacity / 4,
            (Room::Over, Place::None) => self.is_below_twice(queued),
        }
    }

    /// Notes how many places are taken by lines that wait for the file; answers whether these are fewer than before.
    pub(super) const fn hold(&mut self, lines: usize) -> bool {
        let eased = lines < self.held;
        self.held = lines;
        eased
    }

    const fn is_below_twice(&self, queued: usize) -> bool {
        queued + self.reserved + self.promised < self.capacity.saturating_mul(2)
    }

    /// Takes a place back.
    pub(super) const fn give_back(&mut self, place: Place) {
        match place {
            Place::None => {}
            Place::Promised => self.promised = self.promised.saturating_sub(1),
            Place::Reserved => self.reserved = self.reserved.saturating_sub(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Enter {
            strict_rule: bool,
        },
        /// The response's head is ready and has to be kept.
        Head {
            flight: usize,
        },
        End {
            flight: usize,
            strict: bool,
        },
        /// A record of the application.
        Record {
            strict: bool,
        },
        Take,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => any::<bool>().prop_map(|strict_rule| Step::Enter { strict_rule }),
            1 => any::<usize>().prop_map(|flight| Step::Head { flight }),
            3 => (any::<usize>(), any::<bool>())
                .prop_map(|(flight, strict)| Step::End { flight, strict }),
            3 => any::<bool>().prop_map(|strict| Step::Record { strict }),
            1 => Just(Step::Take),
        ];
        prop::collection::vec(step, 0..400)
    }

    /// Every place as a list entry of its own: what the counts stand for.
    #[derive(Default)]
    struct Model {
        flights: Vec<Place>,
        queued: usize,
    }

    impl Model {
        fn of(&self, place: Place) -> usize {
            self.flights.iter().filter(|other| **other == place).count()
        }

        fn all(&self) -> usize {
            self.queued + self.of(Place::Reserved) + self.of(Place::Promised)
        }

        fn has_room_within(&self, capacity: usize) -> bool {
            self.queued + self.of(Place::Reserved) < capacity
        }
    }

    proptest! {
        #[test]
        fn places_are_given_and_given_back_as_a_list_of_them_says(
            capacity in 16_usize..40,
            steps in steps(),
        ) {
            let mut places = Places::new(capacity);
            let mut model = Model::default();
            for step in steps {
                match step {
                    Step::Enter { strict_rule } => {
                        let mut place = Place::None;
                        if strict_rule {
                            let reserved = places.reserve(&mut place, model.queued);
                            prop_assert_eq!(reserved, model.has_room_within(capacity));
                        }
                        places.promise(&mut place, model.queued);
                        let promised = model.of(Place::Promised) < capacity
                            && model.all() < 2 * capacity;
                        match place {
                            Place::Reserved => prop_assert!(strict_rule),
                            place => prop_assert_eq!(place == Place::Promised, promised),
                        }
                        model.flights.push(place);
                    }
                    Step::Head { flight } if !model.flights.is_empty() => {
                        let flight = flight % model.flights.len();
                        let mut place = model.flights[flight];
                        let fits = place == Place::Reserved || model.has_room_within(capacity);
                        prop_assert_eq!(places.reserve(&mut place, model.queued), fits);
                        prop_assert_eq!(place == Place::Reserved, fits);
                        model.flights[flight] = place;
                    }
                    Step::End { flight, strict } if !model.flights.is_empty() => {
                        let place = model.flights.swap_remove(flight % model.flights.len());
                        let room = if strict { Room::Over } else { Room::Ordinary };
                        let fits = match (place, strict) {
                            (Place::Reserved, _) | (Place::Promised, true) => true,
                            (Place::None, true) => model.all() < 2 * capacity,
                            (_, false) => model.has_room_within(capacity - capacity / 4),
                        };
                        prop_assert_eq!(places.admit(room, place, model.queued), fits);
                        model.queued += usize::from(fits);
                    }
                    Step::Record { strict } => {
                        let room = if strict { Room::Over } else { Room::Ordinary };
                        let fits = match strict {
                            true => model.all() < 2 * capacity,
                            false => model.has_room_within(capacity - capacity / 4),
                        };
                        prop_assert_eq!(places.admit(room, Place::None, model.queued), fits);
                        model.queued += usize::from(fits);
                    }
                    Step::Take => model.queued = 0,
                    Step::Head { .. } | Step::End { .. } => {}
                }
                prop_assert!(model.all() <= 2 * capacity, "{} of {}", model.all(), capacity);
            }
            for place in model.flights.drain(..) {
                places.admit(Room::Over, place, model.queued);
            }
            prop_assert_eq!((places.reserved, places.promised), (0, 0));
        }
    }
}
