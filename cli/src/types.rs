//! Types and typed clients of a worker for other languages, from its description.

mod identifiers;
mod python;
mod typescript;

use std::process::ExitCode;

use isolated_workers::describe::{DescribedMethod, DescribedService, Description};

use crate::args::{Language, TypesArgs};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;

/// Writes a module with the types and clients of a worker.
pub(crate) async fn run(args: TypesArgs, output: &mut Output) -> Result<ExitCode, Failure> {
    let connection = Connection::open(&args.worker).await?;
    let caller = connection.caller().clone();
    let description = connection.close_after(async { caller.describe().await }).await?;
    if !has_schemas(&description) {
        eprintln!("note: the worker does not say its types; write `#[service(schema)]` in it");
    }
    let module = match args.language {
        Language::Py => python::module(&description),
        Language::Ts => typescript::module(&description),
    };
    output.write_line(module.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// Returns `true` if a method has a schema, or if there is nothing to say.
fn has_schemas(description: &Description) -> bool {
    let mut methods = description.services.iter().flat_map(|service| &service.methods).peekable();
    methods.peek().is_none()
        || methods.any(|method| {
            let argument =
                |argument: &isolated_workers::describe::DescribedArgument| argument.schema.is_some();
            method.reply.is_some() || method.items.is_some() || method.arguments.iter().any(argument)
        })
}

/// Way in which a method is called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Call,
    Stream,
    Oneway,
}

impl Kind {
    fn of(method: &DescribedMethod) -> Self {
        match (method.oneway, method.streams) {
            (true, _) => Self::Oneway,
            (false, true) => Self::Stream,
            (false, false) => Self::Call,
        }
    }

    /// Method of a worker in the clients of both languages.
    fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Stream => "stream",
            Self::Oneway => "send",
        }
    }

    /// Names of the methods of a worker that a service needs.
    fn needed_by(service: &DescribedService) -> Vec<&'static str> {
        let kinds = [Self::Call, Self::Stream, Self::Oneway].into_iter();
        let needed = kinds.filter(|&kind| service.methods.iter().any(|method| Self::of(method) == kind));
        needed.map(Self::name).collect()
    }
}
