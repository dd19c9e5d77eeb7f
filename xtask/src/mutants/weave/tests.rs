use super::*;

fn woven(source: &str, lines: &[&str]) -> Woven {
    let mutants: Vec<Mutant> = lines
        .iter()
        .map(|line| Mutant::read(&format!("f.rs:{line}")).unwrap())
        .collect();
    let constant = ["held".to_owned()].into();
    Woven::new(source, &mutants.iter().enumerate().collect(), &constant).unwrap()
}

#[test]
fn an_operator_has_its_mutants_beside_it_and_those_of_its_sides_within() {
    let woven = woven(
        "fn f(a: u8) -> bool { a < 3 && !g(a) }",
        &[
            "1:25: replace < with == in f",
            "1:25: replace < with <= in f",
            "1:29: replace && with || in f",
            "1:32: delete ! in f",
            "1:23: replace f -> bool with true",
        ],
    );
    let on = |id| format!("crate::mutant_switch::on({id})");
    let left = format!(
        "(if {} {{ a == 3 }} else if {} {{ a <= 3 }} else {{ a < 3 }})",
        on(0),
        on(1)
    );
    let right = format!("(if {} {{ g(a) }} else {{ !g(a) }})", on(3));
    assert_eq!(
        woven.text,
        format!(
            "fn f(a: u8) -> bool {{ if {} {{ return true; }} \
             (if {} {{ a < 3 || !g(a) }} else {{ {left} && {right} }}) }}",
            on(4),
            on(2)
        )
    );
    assert_eq!(woven.mutants.len(), 5);
}

#[test]
fn arms_and_guards_have_theirs_in_the_guard() {
    let woven = woven(
        "fn f(a: u8) -> u8 {\n match a {\n 1 => 2,\n b if b > 3 => 4,\n _ => 5 } }",
        &[
            "3:2: delete match arm 1 in f",
            "4:7: replace match guard b > 3 with true in f",
            "4:9: replace > with < in f",
        ],
    );
    let on = |id| format!("crate::mutant_switch::on({id})");
    assert_eq!(
        woven.text,
        format!(
            "fn f(a: u8) -> u8 {{\n match a {{\n 1 if !{} => 2,\n \
             b if (if {} {{ true }} else {{ (if {} {{ b < 3 }} else {{ b > 3 }}) }}) => 4,\n _ => 5 }} }}",
            on(0),
            on(1),
            on(2)
        )
    );
}

#[test]
fn a_condition_that_binds_keeps_its_operator() {
    let woven = woven(
        "fn f(a: Option<u8>) -> bool { if let Some(b) = a && b < 3 { true } else { false } }",
        &["1:50: replace && with || in f"],
    );
    assert!(woven.mutants.is_empty());
}

#[test]
fn a_constant_function_becomes_one_that_can_ask_unless_constants_need_it() {
    let woven = woven(
        "const fn free() -> u8 { 1 + 2 }\nconst fn held() -> u8 { 1 + 2 }",
        &[
            "1:27: replace + with - in free",
            "2:27: replace + with - in held",
        ],
    );
    assert_eq!(
        woven.text,
        " fn free() -> u8 { (if crate::mutant_switch::on(0) { 1 - 2 } else { 1 + 2 }) }\n\
         const fn held() -> u8 { 1 + 2 }"
    );
}

#[test]
fn an_error_is_laid_at_the_door_of_a_mutant_or_of_those_around() {
    let woven = woven(
        "fn f() -> A { g() == 1 }\nfn g() -> u8 { 1 }",
        &[
            "1:15: replace f -> A with Default::default()",
            "1:19: replace == with != in f",
        ],
    );
    let column = |what: &str| woven.text.find(what).unwrap() + 1;
    assert_eq!(woven.culprits(1, column("Default")), Culprits::Mutant(0));
    assert_eq!(woven.culprits(1, column("g() !=")), Culprits::Mutant(1));
    assert_eq!(
        woven.culprits(1, column("g() ==")),
        Culprits::Around([1].into())
    );
    assert_eq!(
        woven.culprits(1, column("{ if")),
        Culprits::Around([0, 1].into())
    );
    assert_eq!(woven.culprits(2, 1), Culprits::Unknown);
}
