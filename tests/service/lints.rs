//! Lints of the user, and attributes that change them: generated code triggers no lint that is not
//! about the user's own text.

/// Lints that a user may forbid. Derives of serde allow some others in the user's code.
mod forbidden {
    #![forbid(
        elided_lifetimes_in_paths,
        explicit_outlives_requirements,
        impl_trait_redundant_captures,
        missing_copy_implementations,
        missing_debug_implementations,
        missing_docs,
        redundant_imports,
        redundant_lifetimes,
        single_use_lifetimes,
        unnameable_types,
        unreachable_pub,
        unused_imports,
        unused_lifetimes,
        unused_results,
        variant_size_differences
    )]

    use isolated_workers::service;

    /// A service.
    #[service]
    pub(super) trait Strict {
        /// A method.
        async fn plain(&self, value: u8) -> u8;
        /// Another method.
        #[must_use]
        async fn shadowing(&self, plain: self::Plain) -> Result<Plain, String>;
        /// A blocking method.
        #[message(blocking)]
        fn block(&self, value: [u64; 8]);
    }

    /// A type named like a message.
    #[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
    pub(super) struct Plain;
}

/// Deprecated items under `deny(warnings)`.
mod deprecated {
    #![deny(warnings)]

    use isolated_workers::codec::Json;
    use isolated_workers::service;
    use isolated_workers::service::Local;

    mod types {
        #![allow(deprecated)]

        use std::fmt;

        #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[deprecated]
        pub(crate) struct Old;

        impl fmt::Display for Old {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("old")
            }
        }
    }

    #[deprecated(note = "use another")]
    #[service]
    pub(super) trait OldTrait {
        async fn call(&self, value: u8) -> u8;
    }

    #[service]
    pub(super) trait OldMethod {
        #[deprecated]
        async fn call(&self, value: u8) -> u8;
        #[cfg_attr(all(), deprecated)]
        #[message(blocking)]
        fn block(&self);
    }

    #[service]
    pub(super) trait OldArgument {
        async fn call(&self, #[deprecated] old: u8, #[cfg_attr(all(), deprecated)] older: u8) -> u8;
    }

    #[allow(deprecated)]
    #[service]
    pub(super) trait OldTypes {
        async fn call(&self, old: types::Old) -> types::Old;
        async fn fail(&self) -> Result<types::Old, types::Old>;
    }

    #[service]
    pub(super) trait OldTypesOfMethods {
        #[allow(deprecated)]
        async fn call(&self, old: types::Old) -> types::Old;
        #[expect(deprecated)]
        async fn fail(&self, old: types::Old) -> Result<types::Old, types::Old>;
    }

    struct Old;

    impl OldMethod for Old {
        async fn call(&self, value: u8) -> u8 {
            value
        }
        fn block(&self) {}
    }

    #[tokio::test]
    #[expect(deprecated, reason = "a client's methods are deprecated with those of the trait")]
    async fn a_deprecated_method_is_served_and_warns_its_callers() {
        let client = OldMethodClient::new(Local::new(Old.into_service(), Json));
        assert_eq!(client.call(1).await.unwrap(), 1);
        client.block().await.unwrap();
    }
}

/// Lints about the text of a definition, which its attributes change.
mod expected {
    #![deny(warnings, clippy::pedantic)]

    use isolated_workers::service;

    #[expect(non_camel_case_types)]
    #[service(module = lower_case_messages)]
    pub(super) trait lower_case {
        #[allow(clippy::too_many_arguments)]
        async fn many(&self, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8);
        #[expect(non_snake_case)]
        async fn getUrl(&self);
        #[expect(non_snake_case)]
        async fn argument(&self, inUpper: u8);
    }
}

/// Attributes on a condition.
mod conditional {
    #![deny(warnings)]

    use isolated_workers::codec::{Codec, Json, Postcard};
    use isolated_workers::service;

    mod length {
        use serde::{Deserialize, Deserializer, Serializer};

        pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_u64(bytes.len() as u64)
        }

        pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
            Ok(vec![0; usize::deserialize(deserializer)?])
        }
    }

    #[service]
    pub(super) trait Conditional {
        #[cfg_attr(all(), doc = "Documentation.")]
        async fn length(&self, #[cfg_attr(all(), serde(with = "length"))] bytes: Vec<u8>);
        async fn plain(&self, #[cfg_attr(any(), serde(with = "nowhere"))] bytes: Vec<u8>);
        async fn either(
            &self,
            #[cfg_attr(all(), cfg_attr(any(), serde(with = "nowhere")))]
            #[cfg_attr(all(), doc = "Documentation.", serde(default))]
            bytes: Vec<u8>,
        );
    }

    #[test]
    fn bytes_have_the_serde_attribute_whose_condition_holds() {
        let bytes = vec![7; 300];
        let encoded = |message: &dyn Fn(&mut bytes::BytesMut)| {
            let mut out = bytes::BytesMut::new();
            message(&mut out);
            out.to_vec()
        };
        let length = conditional::Length { bytes: bytes.clone() };
        assert_eq!(encoded(&|out| Json.encode(&length, out).unwrap()), br#"{"bytes":300}"#);
        let plain = conditional::Plain { bytes: bytes.clone() };
        assert_eq!(encoded(&|out| Postcard.encode(&plain, out).unwrap()).len(), 302);
        let either = conditional::Either { bytes };
        let json = encoded(&|out| Json.encode(&either, out).unwrap());
        assert!(json.starts_with(br#"{"bytes":[7,7"#));
    }
}
