use std::ops::AddAssign;

macro_rules! summary {
    ($($(#[$doc:meta])* $count:ident,)*) => {
        /// Counts of events in a simulation, at both endpoints. They prove that a run that passed
        /// covered these events.
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
            /// Iterates over the counts and their names.
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
    /// Calls that were held until their peer took them, or until they ended.
    held,
    /// Times that a oneway message waited, because its peer takes no further one.
    waited,
    /// Credits that arrived.
    credits,
    /// Items of streams that were sent.
    items,
    /// Times that an item waited for credit, or until its request was sent.
    waiting_items,
    /// Credits for items that arrived.
    item_credits,
    /// Ends of the items of a caller that arrived.
    ended_items,
    /// Items that arrived after their call had ended.
    late_items,
    /// Calls refused because their peer takes no items.
    refused_streams,
    /// Calls refused because their id was in use.
    refused_duplicate,
    /// Calls and oneway messages refused because of a go-away or a failed connection.
    refused_closed,
    /// Frames that could not be encoded.
    refused_frame,
    /// Calls that ended with a reply.
    replies,
    /// Calls that ended with an error from the peer.
    errors,
    /// Calls that their owner cancelled.
    cancelled,
    /// Calls that timed out.
    timed_out,
    /// Calls given up before they were sent. The peer never saw them.
    retracted,
    /// Requests cancelled at the peer before it answered.
    stopped,
    /// Handler answers that arrived after their call was given up.
    crossed,
    /// Calls that ended because the connection failed.
    failed,
    /// Pings that were answered.
    pings,
    /// Go-aways that arrived.
    go_aways,
    /// Calls of a worker after a go-away.
    called_after_go_away,
    /// Connections that failed at an endpoint whose peer had sent a go-away and not answered all
    /// calls.
    endless_go_aways,
    /// Endpoints that were dropped.
    dropped,
    /// Times that an endpoint froze or stopped reading.
    stopped_reading,
    /// Times that an endpoint could not transmit, because its peer had not read earlier frames.
    blocked,
}
