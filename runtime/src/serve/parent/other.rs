/// The host of this worker, where it is the parent of its process and the system can tell of its end: not here.
#[derive(Clone, Copy)]
pub(in crate::serve) enum Parent {}

impl Parent {
    pub(in crate::serve) fn of(_: u32) -> Option<Self> {
        None
    }

    pub(in crate::serve) async fn gone(self) {
        match self {}
    }
}
