use crate::flavor::Flavor;
use crate::unit::Unit;
use crate::work::Work;

/// What is measured, and what it is to take at most.
#[derive(Clone)]
pub struct Row {
    pub name: &'static str,
    pub work: Work,
    /// Whether both processes have the same core: the scheduler would put them on one or two, anew for each pair, which alone
    /// moves a round trip by 40 %.
    pub is_pinned: bool,
    /// What our stack runs on beside what one writes by hand, which runs on one thread.
    pub flavor: Flavor,
    /// How many pairs of processes do it in a round. Where a pair is placed in memory and on the cores varies, and stays as long
    /// as the pair does: where the differences are no larger than that, many pairs are asked for a little.
    pub pairs: usize,
    /// What the ratio of the second column to the first is to be at most.
    pub target: Option<f64>,
}

impl Row {
    pub const fn new(name: &'static str, work: Work) -> Self {
        Self { name, work, is_pinned: false, flavor: Flavor::CurrentThread, pairs: 1, target: None }
    }

    pub const fn pinned(mut self) -> Self {
        self.is_pinned = true;
        self
    }

    pub const fn on_two_threads(mut self) -> Self {
        self.flavor = Flavor::MultiThread;
        self
    }

    pub const fn pairs(mut self, pairs: usize) -> Self {
        self.pairs = pairs;
        self
    }

    pub const fn target(mut self, ratio: f64) -> Self {
        self.target = Some(ratio);
        self
    }

    pub fn unit(&self) -> Unit {
        self.work.unit()
    }
}
