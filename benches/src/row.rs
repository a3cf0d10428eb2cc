use crate::flavor::Flavor;
use crate::target::Target;
use crate::unit::Unit;
use crate::work::Work;

/// A row of a table: the work, its conditions and its target.
#[derive(Clone)]
pub struct Row {
    pub name: &'static str,
    pub work: Work,
    /// `true` if both processes run on the same core. Otherwise the scheduler chooses one core or
    /// two for each pair, which alone changes a round trip by 40 %.
    pub is_pinned: bool,
    /// Flavor of our stack. The baseline runs on one thread.
    pub flavor: Flavor,
    /// Number of pairs of processes in a round. The placement of a pair in memory and on cores
    /// varies, and stays for its life. If the differences are no larger than this variation, a
    /// round uses several pairs, and each pair measures less.
    pub pairs: usize,
    pub target: Option<Target>,
    /// `true` if the table also shows the CPU time.
    pub has_cpu: bool,
}

impl Row {
    pub const fn new(name: &'static str, work: Work) -> Self {
        Self {
            name,
            work,
            is_pinned: false,
            flavor: Flavor::CurrentThread,
            pairs: 1,
            target: None,
            has_cpu: false,
        }
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

    /// Sets the maximum of the ratio of the second column to the first.
    pub const fn target(self, ratio: f64) -> Self {
        self.target_to(ratio, &[])
    }

    /// Sets the maximum of the ratio of the second column to the best of these columns.
    pub const fn target_to(mut self, ratio: f64, columns: &'static [&'static str]) -> Self {
        self.target = Some(Target { ratio, columns });
        self
    }

    pub const fn with_cpu(mut self) -> Self {
        self.has_cpu = true;
        self
    }

    pub fn unit(&self) -> Unit {
        self.work.unit()
    }
}
