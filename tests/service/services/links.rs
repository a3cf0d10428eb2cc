//! Links in the documentation of a service. `cargo doc` checks that all of them resolve where the
//! documentation is copied to.

use isolated_workers::service;
use serde::{Deserialize, Serialize};

/// A type named like a message.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Add;

/// Module of the service.
pub(crate) mod inner {
    use super::*;

    /// A type beside the service.
    #[derive(Debug, Serialize, Deserialize)]
    pub(crate) struct Point;

    /// [`Self::add`], [Point], [`Self::into_service`], [`super::Add`], [`links::Sub`].
    #[service(derive(Debug))]
    pub(crate) trait Links {
        /// [`Self::sub`], [Self::into_service], [`Point`], [`super::Add`], [`self::Links`],
        /// [x](super::Add), [`Self`], [`LinksClient`], [`links::Add`] and [y].
        ///
        /// [y]: super::Add
        async fn add(
            &self,
            #[doc = "[`Point`], [`Self::sub`], [`super::Add`], [z](self::Links::sub), [`self::Point`] and [y]."]
            #[doc = "\n[y]: super::Add"]
            point: Point,
        ) -> super::Add;
        /// Subtracts.
        ///
        /// # Errors
        /// [`Self::add`].
        async fn sub(&self) -> Result<u8, String>;
        #[doc(hidden)]
        async fn hidden(&self);
        /// Raw names.
        #[message(oneway)]
        async fn r#type(&self, r#match: u8);
        #[doc = concat!("A text ", "from a macro.")]
        async fn text(&self);
        async fn undocumented(&self);
    }

    /// A raw name.
    #[service(module = raw)]
    pub(crate) trait r#Loop {
        /// [`Self::into_service`].
        async fn again(&self);
    }
}
