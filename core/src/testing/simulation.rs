use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::trace::Trace;
use super::world::World;
use super::{SimulationFailure, Summary};

/// A random scene between two connections, checked at every step.
///
/// Both ends call and send, with and without timeouts, with ids that repeat themselves or do not; they answer in any
/// order, give up, say goodbye; frames are delayed; time passes; the connection may break. The seed decides all of it,
/// and a seed does the same again.
#[derive(Clone, Copy, Debug)]
pub struct Simulation {
    seed: u64,
}

impl Simulation {
    /// The scene of this seed.
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Plays it to its end: everything is delivered and answered, or the connection has failed at both ends.
    ///
    /// # Errors
    /// The first rule that was broken, a panic of a connection included.
    pub fn run(self) -> Result<Summary, SimulationFailure> {
        let first = match self.attempt(&mut Trace::default()) {
            Ok(summary) => return Ok(summary),
            Err(reason) => reason,
        };
        let mut trace = Trace::recording();
        let reason = match self.attempt(&mut trace) {
            Err(reason) if reason == first => reason,
            second => format!("the seed does not do the same twice: {first:?}, then {second:?}"),
        };
        Err(SimulationFailure { seed: self.seed, reason, steps: trace.into_lines() })
    }

    /// Its steps in words, up to the one that breaks a rule if there is such a one.
    pub fn steps(self) -> Vec<String> {
        let mut trace = Trace::recording();
        // Only the steps are asked for; `run` tells how it ends.
        let _ = self.attempt(&mut trace);
        trace.into_lines()
    }

    fn attempt(self, trace: &mut Trace) -> Result<Summary, String> {
        let run = AssertUnwindSafe(|| World::new(self.seed, trace).run());
        catch_unwind(run).unwrap_or_else(|panic| Err(format!("a panic: {}", text_of(&*panic))))
    }
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("not a text")
}

/// Plays the scene of a seed.
///
/// # Panics
/// Where a connection broke a rule, with the seed and the steps.
pub fn simulate(seed: u64) -> Summary {
    Simulation::new(seed).run().unwrap_or_else(|failure| panic!("{failure}"))
}
