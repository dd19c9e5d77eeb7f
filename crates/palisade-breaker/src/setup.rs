use std::sync::Arc;

use palisade_core::{Name, Problems};

use crate::State;
use crate::event::Observers;
use crate::metrics::Counters;
use crate::state::plan::Plan;

/// The settings of a layer.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) name: Name,
    /// Shared by all the breakers that a keyed layer makes.
    pub(crate) plan: Arc<Plan>,
    pub(crate) begins: State,
    /// It begins open for the open time instead.
    pub(crate) begins_open: bool,
    /// Settings that are not valid.
    pub(crate) problems: Problems,
    pub(crate) observers: Observers,
    /// Its services are pending while a call would be refused.
    pub(crate) pends: bool,
    pub(crate) counters: Arc<Counters>,
    /// The channel for transitions that are shared with other processes.
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
