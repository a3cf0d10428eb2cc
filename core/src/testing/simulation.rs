use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::trace::Trace;
use super::world::World;
use super::{SimulationFailure, Summary};

/// Random scenario between two connections, checked at every step.
///
/// Both endpoints make calls and send oneway messages, with and without timeouts, with unique and
/// with colliding ids. They answer in any order, cancel and send go-aways. Frames are delayed, time
/// passes, streams fill up, endpoints freeze or stop reading for a while, and the connection may
/// break. The seed determines everything, so a run can be repeated.
#[derive(Clone, Copy, Debug)]
pub struct Simulation {
    seed: u64,
}

impl Simulation {
    /// Creates the scenario of this seed.
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Runs the scenario until everything is delivered and answered, or the connection has failed
    /// at both endpoints.
    ///
    /// # Errors
    /// The first broken rule, or a panic in a connection.
    pub fn run(self) -> Result<Summary, SimulationFailure> {
        let first = match self.attempt(&mut Trace::default()) {
            Ok(summary) => return Ok(summary),
            Err(reason) => reason,
        };
        let mut trace = Trace::recording();
        let reason = match self.attempt(&mut trace) {
            Err(reason) if reason == first => reason,
            second => format!("the seed is not reproducible: {first:?}, then {second:?}"),
        };
        Err(SimulationFailure { seed: self.seed, reason, steps: trace.into_lines() })
    }

    /// Returns the steps, up to the first step that breaks a rule, if any.
    pub fn steps(self) -> Vec<String> {
        let mut trace = Trace::recording();
        // Only the steps are needed; `run` reports the result.
        let _ = self.attempt(&mut trace);
        trace.into_lines()
    }

    fn attempt(self, trace: &mut Trace) -> Result<Summary, String> {
        let run = AssertUnwindSafe(|| World::new(self.seed, trace).run());
        catch_unwind(run).unwrap_or_else(|panic| Err(format!("a panic: {}", panic_text(&*panic))))
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is not a string")
}

/// Runs the scenario of a seed.
///
/// # Panics
/// If a connection breaks a rule. The panic message has the seed and the steps.
pub fn simulate(seed: u64) -> Summary {
    Simulation::new(seed).run().unwrap_or_else(|failure| panic!("{failure}"))
}
