use std::ops::AddAssign;

macro_rules! summary {
    ($($(#[$doc:meta])* $count:ident,)*) => {
        /// What happened in a simulation, to see that it did not pass because nothing did. All are counts, of both
        /// ends.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Summary {
            $($(#[$doc])* pub $count: u64,)*
        }

        impl AddAssign for Summary {
            fn add_assign(&mut self, other: Self) {
                $(self.$count += other.$count;)*
            }
        }

        impl Summary {
            /// Each count with its name.
            pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$((stringify!($count), self.$count)),*].into_iter()
            }
        }
    };
}

summary! {
    /// Steps of any kind.
    steps,
    /// Calls that were accepted.
    calls,
    /// Oneway messages that were accepted.
    oneways,
    /// Calls refused because their id was in use.
    refused_duplicate,
    /// Calls and oneway messages refused because of a goodbye or a failed connection.
    refused_closed,
    /// Frames that had no encoding.
    refused_frame,
    /// Calls that ended with a reply.
    replies,
    /// Calls that ended with an error of the other side.
    errors,
    /// Calls that their owner gave up.
    cancelled,
    /// Calls whose time was over.
    timed_out,
    /// Calls given up before they had left, which the other side never saw.
    retracted,
    /// Calls that the other side stopped to handle, because the cancel came before its answer.
    stopped,
    /// Answers of a handler that came when their call had been given up.
    crossed,
    /// Calls that ended because the connection failed.
    failed,
    /// Pings that were answered.
    pings,
    /// Goodbyes that arrived.
    go_aways,
}
