use std::sync::Arc;

use palisade_core::{Name, Problems};

use crate::State;
use crate::event::Observers;
use crate::metrics::Counters;
use crate::state::plan::Plan;

/// What a layer was told before it first let a call through.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) name: Name,
    /// Shared by all the breakers that a keyed layer makes.
    pub(crate) plan: Arc<Plan>,
    pub(crate) begins: State,
    /// It begins open for the open time instead.
    pub(crate) begins_open: bool,
    /// What does not do of what was set.
    pub(crate) problems: Problems,
    pub(crate) observers: Observers,
    /// Its services are pending while a call would be refused.
    pub(crate) pends: bool,
    pub(crate) counters: Arc<Counters>,
    /// Where transitions go that other processes hear of.
    #[cfg(feature = "redis")]
    pub(crate) wire: crate::share::Wire,
}

impl Setup {
    pub(crate) fn new(name: Name, plan: Plan) -> Self {
        Self {
            name,
            plan: Arc::new(plan),
            begins: State::Closed,
            begins_open: false,
            problems: Problems::none(),
            observers: Observers::default(),
            pends: false,
            counters: Arc::default(),
            #[cfg(feature = "redis")]
            wire: crate::share::Wire::default(),
        }
    }
}
