/// Generates a module for each [`Suite`](crate::testing::conformance::Suite), with a test for each
/// case.
///
/// Attributes in front of `mod`, such as `#[cfg(unix)]`, apply to the module. The expression is
/// evaluated once per test, in the scope around the macro.
///
/// ```no_run
/// use isolated_workers_codec::Postcard;
/// use isolated_workers_runtime::Program;
/// use isolated_workers_runtime::testing::{conformance::Suite, conformance_tests};
/// use isolated_workers_transport::DefaultTransport;
///
/// conformance_tests! {
///     mod postcard = Suite::new(|role| Program::new("./worker").arg(role.to_string()), Postcard, DefaultTransport);
/// }
/// ```
#[macro_export]
macro_rules! conformance_tests {
    ($($(#[$attribute:meta])* mod $name:ident = $suite:expr;)*) => {$(
        $(#[$attribute])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $crate::conformance_tests! { @ $suite =>
                calls, in_flight, oneway, bodies, metadata, cancellation, timeouts, unknown_message, undecodable,
                mixed_sizes, slow_reader, printing, panics, dribble, callbacks, callbacks_in_flight,
                callbacks_end_with_their_call, callbacks_while_draining, callbacks_of_a_killed_worker,
                callbacks_without_a_service, services, default_service, missing_service, describe, services_of_the_host, streams,
                large_items, too_large_items, stream_errors, dropped_streams, unpolled_streams,
                streams_of_a_crashed_worker, streams_while_draining, streams_at_a_handover, streams_in_callbacks,
                close_idle, close_in_flight, close_twice, kill, drain, drain_oneway, last_handle, close_unresponsive, runtime_dropped, handover, drain_timeout, vanishing_host,
                vanishing_worker, garbage, half_close, stopped_serving
            }

            #[test]
            fn nothing_left() {
                use $crate::testing::conformance::{alone, check};

                alone(concat!(module_path!(), "::nothing_left"), || check($suite.nothing_left(40)));
            }

            #[test]
            fn no_descriptors() {
                use $crate::testing::conformance::{alone, check};

                alone(concat!(module_path!(), "::no_descriptors"), || check($suite.no_descriptors()));
            }
        }
    )*};
    (@ $suite:expr => $($case:ident),*) => {
        $crate::conformance_tests! { @@ [$suite] $($case)* }
    };
    (@@ [$suite:expr] $case:ident $($rest:ident)*) => {
        #[test]
        fn $case() {
            $crate::testing::conformance::check($suite.$case());
        }

        $crate::conformance_tests! { @@ [$suite] $($rest)* }
    };
    (@@ [$suite:expr]) => {};
}
