//! Scopes in which a service can be declared, and ways to write it.

use std::time::Duration;

use isolated_workers as iw;
use iw::Message as _;

/// A private trait with a renamed module, and isolated-workers at another path.
mod private {
    use super::{Celsius, iw};

    #[iw::service(module = thermometer, crate = super::iw, derive(Debug))]
    trait Weather {
        async fn warmer(&self, by: super::Celsius) -> Celsius;
        async fn same(&self, #[serde(default = "super::mild")] value: super::Celsius) -> Vec<self::Celsius>;
    }

    struct Mild;

    impl Weather for Mild {
        async fn warmer(&self, by: Celsius) -> Celsius {
            Celsius(super::mild().0 + by.0)
        }
        async fn same(&self, value: Celsius) -> Vec<Celsius> {
            vec![value]
        }
    }

    pub(super) async fn warmer_by(celsius: i32) -> Result<Celsius, iw::Error> {
        let service = iw::service::Local::new(Mild.into_service(), iw::codec::Json);
        let message = thermometer::Same { value: Celsius(celsius) };
        assert_eq!(format!("{message:?}"), format!("Same {{ value: Celsius({celsius}) }}"));
        assert_eq!(iw::ServiceExt::send(&service, message).await?, [Celsius(celsius)]);
        WeatherClient::new(&service).warmer(Celsius(celsius)).await
    }
}

#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Celsius(i32);

fn mild() -> Celsius {
    Celsius(18)
}

/// Several services in one module, visible in its parent module. One of them has no methods.
mod inner {
    use isolated_workers::service;

    #[service]
    pub(in crate::scopes) trait First {
        async fn same(&self, same: u8) -> u8;
    }

    #[service]
    pub(super) trait Second: std::fmt::Debug {
        async fn same(&self, same: u16) -> u16;
    }

    #[service]
    pub(crate) trait Empty {}

    #[derive(Debug)]
    pub(super) struct Both;

    impl First for Both {
        async fn same(&self, same: u8) -> u8 {
            same + 1
        }
    }

    impl Second for Both {
        async fn same(&self, same: u16) -> u16 {
            same + 2
        }
    }

    impl Empty for Both {}
}

#[tokio::test]
async fn two_services_in_one_module() {
    use self::inner::{Both, FirstClient, FirstService, SecondClient, SecondService};
    let first = FirstClient::new(iw::service::Local::new(FirstService::new(Both), iw::codec::Postcard));
    let second = SecondClient::new(iw::service::Local::new(SecondService::new(Both), iw::codec::Postcard));
    assert_eq!(first.same(5).await.unwrap(), 6);
    assert_eq!(second.same(5).await.unwrap(), 7);
}

#[tokio::test]
async fn a_service_without_methods_knows_no_message() {
    let empty = iw::service::Local::new(self::inner::Empty::into_service(self::inner::Both), iw::codec::Json);
    let request = iw::protocol::Request::new("any".into(), iw::protocol::Body::empty());
    let error = iw::Service::call(&empty, request).await.unwrap_err();
    assert_eq!(error.kind(), iw::ErrorKind::UnknownMessage);
}

/// Declares a service with types that the caller passes.
macro_rules! store {
    ($store:ident in $module:ident of $key:ty => $value:ty) => {
        #[iw::service(module = $module)]
        trait $store {
            async fn put(&self, key: $key, value: $value) -> Option<$value>;
            async fn take(&self, key: $key) -> Result<$value, String>;
        }
    };
}

store!(Prices in prices of String => u64);
store!(Places in places of Celsius => (i8, self::Celsius));

struct Shelf;

impl Places for Shelf {
    async fn put(&self, key: Celsius, value: (i8, Celsius)) -> Option<(i8, Celsius)> {
        (value.1 == key).then_some(value)
    }
    async fn take(&self, key: Celsius) -> Result<(i8, Celsius), String> {
        Err(format!("{key:?}"))
    }
}

impl Prices for Shelf {
    async fn put(&self, key: String, value: u64) -> Option<u64> {
        key.is_empty().then_some(value)
    }
    async fn take(&self, key: String) -> Result<u64, String> {
        Err(key)
    }
}

#[tokio::test]
async fn a_service_can_come_from_macro_rules() {
    let places = PlacesClient::new(iw::service::Local::new(Places::into_service(Shelf), iw::codec::Json));
    let place = (1, Celsius(20));
    assert_eq!(places.put(Celsius(20), place).await.unwrap(), Some(place));
    assert_eq!(places.take(Celsius(3)).await.unwrap_err().service().unwrap(), "Celsius(3)");
    let prices = PricesClient::new(iw::service::Local::new(Prices::into_service(Shelf), iw::codec::Json));
    assert_eq!(prices.put(String::new(), 3).await.unwrap(), Some(3));
    assert_eq!(prices.take("cup".into()).await.unwrap_err().service().unwrap(), "cup");
    assert_ne!(places::SCHEMA.fingerprint(), prices::SCHEMA.fingerprint());
}

#[tokio::test]
async fn a_service_can_be_declared_inside_a_function() {
    #[iw::service]
    trait Thermostat {
        async fn set(&self, value: Celsius) -> Celsius;
    }

    struct Fixed;

    impl Thermostat for Fixed {
        async fn set(&self, value: Celsius) -> Celsius {
            Celsius(value.0 / 2)
        }
    }

    let thermostat = ThermostatClient::new(iw::service::Local::new(Fixed.into_service(), iw::codec::Json));
    assert_eq!(thermostat.set(Celsius(40)).await.unwrap(), Celsius(20));
}

#[tokio::test]
async fn a_private_service_can_use_another_crate_path() {
    assert_eq!(private::warmer_by(3).await.unwrap(), Celsius(21));
}

/// A service with the options of `#[message]`.
#[iw::service]
trait Options {
    async fn plain(&self, value: u8) -> u8;
    #[message(timeout = "1500ms", retry = 3, name = "other")]
    async fn patient(&self) -> Result<String, String>;
    #[message(timeout = "none")]
    async fn endless(&self);
    #[message(oneway)]
    async fn oneway(&self);
}

#[test]
fn options_become_constants() {
    use options::{Endless, Oneway, Patient, Plain};
    assert_eq!((Plain::NAME, Plain::ONEWAY, Plain::TIMEOUT, Plain::RETRY), ("plain", false, None, 0));
    assert_eq!((Patient::NAME, Patient::RETRY), ("other", 3));
    assert_eq!(Patient::TIMEOUT, Some(Duration::from_millis(1500)));
    assert_eq!(Endless::TIMEOUT, Some(Duration::ZERO));
    assert_eq!((Oneway::NAME, Oneway::ONEWAY), ("oneway", true));
}
