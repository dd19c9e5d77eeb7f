//! The example, run as its README says, prints what its README says.

use std::process::Command;

#[test]
fn it_prints_what_its_readme_says() {
    let output = Command::new(env!("CARGO_BIN_EXE_hyper-client"))
        .output()
        .expect("the example starts");
    assert!(output.status.success(), "{output:?}");
    let readme = include_str!("../README.md");
    let block = readme.split("```text\n").nth(1).expect("what it prints");
    let promised = block.split("```").next().expect("the end of the block");
    assert_eq!(String::from_utf8_lossy(&output.stdout), promised);
}
