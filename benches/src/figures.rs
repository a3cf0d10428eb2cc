/// The figures of a row, one a round.
pub struct Figures(pub Vec<f64>);

impl Figures {
    pub fn at(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted[((sorted.len() - 1) as f64 * part).round() as usize]
    }

    pub fn median(&self) -> f64 {
        self.at(0.5)
    }
}
