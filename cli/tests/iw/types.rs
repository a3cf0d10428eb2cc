//! Modules that `iw types` writes: the strict type checkers accept them, and programs call with them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{example, has, root, run};

/// Writes the module of the worker to a file.
fn write(language: &str, file: &Path) -> String {
    let worker = example("typed_worker");
    let ran = run(&["types", language, &worker]);
    assert_eq!((ran.code, &*ran.err), (0, ""));
    std::fs::write(file, ran.out).unwrap();
    worker
}

/// Runs a program in a folder and returns what it prints.
fn output(program: &Path, args: &[&str], folder: &Path) -> String {
    let mut command = Command::new(program);
    let python_path = root().join("clients/python/src");
    command.current_dir(folder).args(args).env("PYTHONPATH", &python_path).env("MYPYPATH", &python_path);
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program:?} {args:?}\n{printed}{errors}");
    printed
}

/// Path of a tool that `.ci/clients` installs.
fn tool(path: &str) -> Option<PathBuf> {
    let tool = root().join(path);
    let tool = tool.exists().then_some(tool);
    if tool.is_none() {
        eprintln!("skipped: no {path}; `.ci/clients` installs it");
    }
    tool
}

const PYTHON: &str = r#"
import asyncio
import sys
from collections.abc import AsyncIterator

from isolated_workers import CallError, Worker
from printer import JournalClient, Page, PrinterClient, Shape


async def numbers() -> AsyncIterator[int]:
    for number in range(4):
        yield number


async def main() -> None:
    async with await Worker.spawn(sys.argv[1]) as worker:
        printer, journal = PrinterClient(worker), JournalClient(worker)
        page: Page = {"number": 1, "text": "a", "class": "Bold", "marks": {"x": [1, 0.5]}}
        printed = await printer.print(page)
        print(printed["number"], printed["class"])
        shapes: list[Shape] = ["Empty", {"Circle": {"radius": 1.5}}, {"Label": "round"}]
        print(await printer.shapes(shapes) == shapes)
        print(await printer.double(2**61))
        await printer.log("a line")
        await printer.clear()
        print([number async for number in printer.count(3)])
        print(await printer.sum("sum", numbers(), 10))
        print(await journal.entries(timeout=5))
        try:
            await printer.print({"number": 1, "class": "Plain", "marks": {}})
        except CallError as error:
            print(error.data)


asyncio.run(main())
"#;

const TYPESCRIPT: &str = r#"
import { CallError, Worker } from 'isolated-workers-client';
import { JournalClient, type Page, PrinterClient, type Shape } from './printer.js';

const worker = await Worker.spawn(process.argv[2] ?? '');
const printer = new PrinterClient(worker);
const journal = new JournalClient(worker);
const page: Page = { number: 1, text: 'a', class: 'Bold', marks: { x: [1, 0.5] } };
const printed = await printer.print(page);
console.log(printed.number, printed.class);
const shapes: Shape[] = ['Empty', { Circle: { radius: 1.5 } }, { Label: 'round' }];
console.log(JSON.stringify(await printer.shapes(shapes)) === JSON.stringify(shapes));
console.log(String(await printer.double(2n ** 61n)));
await printer.log('a line');
await printer.clear();
const counted: number[] = [];
for await (const number of printer.count(3)) counted.push(number);
console.log(JSON.stringify(counted));
console.log(await printer.sum('sum', [0, 1, 2, 3], 10));
console.log(await journal.entries({ timeout: 5000 }));
try {
  await printer.print({ number: 1, class: 'Plain', marks: {} });
} catch (error) {
  console.log(error instanceof CallError ? error.data : error);
}
await worker.close();
"#;

#[test]
fn a_program_in_python_calls_with_the_types_of_a_worker() {
    if !has("python3", &["-c", "import sys; sys.exit(sys.version_info < (3, 10))"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let worker = write("py", &folder.path().join("printer.py"));
    std::fs::write(folder.path().join("main.py"), PYTHON).unwrap();
    let printed = output(Path::new("python3"), &["main.py", &worker], folder.path());
    assert_eq!(printed, "1 Bold\nTrue\n4611686018427387904\n[0, 1, 2]\nsum 16\n7\nEmpty\n");
    if let Some(mypy) = tool("target/tools/python/bin/mypy") {
        output(&mypy, &["--strict", "--python-version", "3.10", "main.py", "printer.py"], folder.path());
    }
}

#[test]
fn a_program_in_typescript_calls_with_the_types_of_a_worker() {
    let (Some(tsc), Some(_)) =
        (tool("clients/node/node_modules/.bin/tsc"), tool("clients/node/dist/index.js"))
    else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let worker = write("ts", &folder.path().join("printer.ts"));
    std::fs::write(folder.path().join("main.ts"), TYPESCRIPT).unwrap();
    std::fs::write(folder.path().join("package.json"), r#"{ "type": "module" }"#).unwrap();
    let modules = folder.path().join("node_modules");
    std::fs::create_dir(&modules).unwrap();
    let client = root().join("clients/node");
    std::os::unix::fs::symlink(&client, modules.join("isolated-workers-client")).unwrap();
    std::os::unix::fs::symlink(client.join("node_modules/@types"), modules.join("@types")).unwrap();
    let strict =
        ["--strict", "--noUncheckedIndexedAccess", "--noUnusedLocals", "--exactOptionalPropertyTypes"];
    let target = ["--target", "es2022", "--module", "nodenext", "--types", "node", "main.ts"];
    output(&tsc, &[&strict[..], &target[..]].concat(), folder.path());
    let printed = output(Path::new("node"), &["main.js", &worker], folder.path());
    assert_eq!(printed, "1 Bold\ntrue\n4611686018427387904\n[0,1,2]\nsum 16\n7\nEmpty\n");
}

#[test]
fn a_worker_that_does_not_say_its_types_gets_a_client_without_them() {
    for (language, any) in [("py", "-> Any:"), ("ts", "Promise<unknown>")] {
        let ran = run(&["types", language, &example("quickstart")]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(ran.out.contains("class CalculatorClient") && ran.out.contains(any), "{}", ran.out);
        assert!(ran.err.contains("write `#[service(schema)]`"), "{}", ran.err);
    }
}
