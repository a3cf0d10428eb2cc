//! Versions of one service.

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
        /// Unchanged.
        async fn stock(&self) -> u32;
        /// Takes a basket instead of an item and a count.
        async fn buy(&self, basket: Vec<(String, u32)>) -> u64;
    }
}

/// The old version with another order of methods and other documentation.
pub(crate) mod reordered {
    use isolated_workers::service;

    #[service(derive(Debug))]
    pub(crate) trait Shop {
        /// Number of items in stock.
        #[message(timeout = "5s", retry = 2)]
        async fn stock(&self) -> u32;
        #[rustfmt::skip]
        async fn buy(&self, item:String,count :u32,) -> u64;
    }
}

/// The old version under another name.
pub(crate) mod renamed {
    use isolated_workers::service;

    #[service]
    pub(crate) trait Kiosk {
        async fn buy(&self, item: String, count: u32) -> u64;
        async fn stock(&self) -> u32;
    }
}
