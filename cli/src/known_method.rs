//! Methods that a worker describes.

use isolated_workers::ErrorKind;
use isolated_workers::describe::{DescribedMethod, Description};

use crate::failure::Failure;
use crate::target::Target;
use crate::{distance, signature};

/// Returns the method of a target, if the worker describes it.
pub(crate) fn find<'a>(description: &'a Description, target: &Target) -> Option<&'a DescribedMethod> {
    let service = match &target.service {
        Some(name) => description.service(name)?,
        None => description.services.first()?,
    };
    service.method(&target.method)
}

/// Names of all methods. Those of all services but the default have the name of their service
/// before them.
pub(crate) fn names(description: &Description) -> Vec<String> {
    let services = description.services.iter().enumerate();
    let named = services.flat_map(|(index, service)| {
        service.methods.iter().map(move |method| match index {
            0 => method.name.clone(),
            _ => format!("{}.{}", service.name, method.name),
        })
    });
    named.collect()
}

/// Adds to the error of a call what the worker says about its methods.
pub(crate) fn explain(description: Option<&Description>, target: &Target, failure: Failure) -> Failure {
    let (Some(description), Failure::Worker(error)) = (description, &failure) else { return failure };
    let advice = match error.kind() {
        ErrorKind::UnknownMessage => {
            let names = names(description);
            let similar = distance::nearest(&target.method, names.iter().map(String::as_str));
            let question = similar.map_or_else(String::new, |name| format!("did you mean `{name}`? "));
            format!("{question}the worker has {}", names.join(", "))
        }
        ErrorKind::Decode => match find(description, target) {
            Some(method) => format!("check the arguments: {}", signature::of_method(method)),
            None => return failure,
        },
        _ => return failure,
    };
    Failure::Advised(error.clone(), advice)
}
