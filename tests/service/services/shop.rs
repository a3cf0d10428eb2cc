//! Two versions of one service.

pub(crate) mod old {
    use isolated_workers::service;

    #[service]
    pub(crate) trait Shop {
        async fn buy(&self, item: String, count: u32) -> u64;
        async fn stock(&self) -> u32;
    }
}

pub(crate) mod new {
    use isolated_workers::service;

    #[service]
    pub(crate) trait Shop {
        async fn sell(&self, item: String) -> u64;
        /// As it was.
        async fn stock(&self) -> u32;
        /// A basket instead of an item and a count.
        async fn buy(&self, basket: Vec<(String, u32)>) -> u64;
    }
}

/// The old one, written in another order and with other words.
pub(crate) mod reordered {
    use isolated_workers::service;

    #[service(derive(Debug))]
    pub(crate) trait Shop {
        /// What is left.
        #[message(timeout = "5s", retry = 2)]
        async fn stock(&self) -> u32;
        #[rustfmt::skip]
        async fn buy(&self, item:String,count :u32,) -> u64;
    }
}

/// The old one by another name.
pub(crate) mod renamed {
    use isolated_workers::service;

    #[service]
    pub(crate) trait Kiosk {
        async fn buy(&self, item: String, count: u32) -> u64;
        async fn stock(&self) -> u32;
    }
}
