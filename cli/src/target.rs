/// Method of a worker: `Service.method`, or `method` of its default service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) service: Option<String>,
    pub(crate) method: String,
}

impl Target {
    /// Splits at the last dot.
    pub(crate) fn parse(text: &str) -> Self {
        match text.rsplit_once('.') {
            Some((service, method)) if !service.is_empty() && !method.is_empty() => {
                Self { service: Some(service.to_owned()), method: method.to_owned() }
            }
            _ => Self { service: None, method: text.to_owned() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_separates_service_and_method() {
        let parsed = |text| {
            let Target { service, method } = Target::parse(text);
            (service, method)
        };
        assert_eq!(parsed("add"), (None, "add".to_owned()));
        assert_eq!(parsed("Store.get"), (Some("Store".to_owned()), "get".to_owned()));
        assert_eq!(parsed(".get"), (None, ".get".to_owned()));
        assert_eq!(parsed("get."), (None, "get.".to_owned()));
    }
}
