//! Runs the code of the book and the README as documentation tests.

/// Declares a module for each page, whose documentation is the page.
macro_rules! pages {
    ($($page:ident: $path:literal,)*) => {$(
        #[doc = include_str!(concat!("../", $path))]
        mod $page {}
    )*};
}

pages! {
    readme: "README.md",
    getting_started: "docs/getting-started.md",
    concepts: "docs/concepts.md",
    first_worker: "docs/guides/first-worker.md",
    services: "docs/guides/services.md",
    transports: "docs/guides/transports.md",
    codecs: "docs/guides/codecs.md",
    middleware: "docs/guides/middleware.md",
    errors: "docs/guides/errors.md",
    timeouts: "docs/guides/timeouts.md",
    latency: "docs/guides/latency.md",
    callbacks: "docs/guides/callbacks.md",
    streams: "docs/guides/streams.md",
    descriptors: "docs/guides/descriptors.md",
    lifecycle: "docs/guides/lifecycle.md",
    crashes: "docs/guides/crashes.md",
    pools: "docs/guides/pools.md",
    interop: "docs/guides/interop.md",
    remote: "docs/guides/remote.md",
    recipes: "docs/guides/recipes.md",
}

#[cfg(feature = "sandbox")]
pages! {
    security: "docs/guides/security.md",
}

#[cfg(feature = "blocking")]
pages! {
    blocking: "docs/guides/blocking.md",
}

#[cfg(feature = "offload")]
pages! {
    offload: "docs/guides/offload.md",
}

#[cfg(feature = "testing")]
pages! {
    testing: "docs/guides/testing.md",
    extending: "docs/guides/extending.md",
}
