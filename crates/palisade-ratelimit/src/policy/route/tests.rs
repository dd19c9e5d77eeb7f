use super::*;

fn matches(route: &str, path: &str) -> bool {
    Route::parse(route, 0).unwrap().matches_path(path)
}

#[test]
fn a_route_is_a_whole_path_or_what_lies_below() {
    assert!(matches("/auth/token", "/auth/token"));
    assert!(!matches("/auth/token", "/auth/token/"));
    assert!(!matches("/auth/token", "/auth/tokens"));
    assert!(matches("/files/*", "/files/a/b"));
    assert!(matches("/files/*", "/files"));
    assert!(!matches("/files/*", "/filesystem"));
    assert!(matches("/*", "/") && matches("/*", "/a") && matches("/", "/"));
    assert!(!matches("/", "/a") && !matches("/", "*"));
}

#[test]
fn a_parameter_is_one_segment_and_a_rest_at_least_one() {
    assert!(matches("/users/{id}", "/users/7"));
    assert!(!matches("/users/{id}", "/users/"));
    assert!(!matches("/users/{id}", "/users/7/keys"));
    assert!(matches("/users/{id}/keys", "/users/7/keys"));
    assert!(matches("/files/{*rest}", "/files/a/b"));
    assert!(!matches("/files/{*rest}", "/files"));
    assert!(!matches("/files/{*rest}", "/files/"));
}

#[test]
fn a_path_is_matched_decoded_segment_by_segment() {
    assert!(matches("/auth/token", "/auth/t%6Fken"));
    assert!(matches("/café", "/caf%C3%A9"));
    assert!(matches("/caf%c3%a9", "/caf%C3%A9"));
    assert!(matches("/a%2Fb", "/a%2fb"));
    assert!(!matches("/a/b", "/a%2fb"));
    assert!(matches("/100%25", "/100%25") && !matches("/auth", "/auth%"));
}

#[test]
fn what_is_not_a_route_or_can_never_match_is_named() {
    for text in [
        "",
        "auth",
        "POST auth",
        "P@ST /auth",
        "/a/*/b",
        "/a*",
        "post /x",
        "Get /x",
        "POST|put /x",
        "POST| /x",
        "/users/:id",
        "/x?y=1",
        "/x#f",
        "/a b",
        "/x POST",
        "/{}",
        "/{a}{b}",
        "/v{n}",
        "/{*rest}/x",
        "/{a b}",
        "/{*}",
        "/%zz",
        "/%",
        "/%4",
        "/a}",
    ] {
        let problems = Route::parse(text, 0).unwrap_err();
        assert!(
            problems.to_string().contains(&format!("{text:?}")),
            "{problems}"
        );
    }
}

/// Whether the second of two routes can never decide.
fn hidden(routes: &[&str; 2]) -> bool {
    let names = [Name::from_static("a"), Name::from_static("b")];
    let routes = [0, 1].map(|at| (routes[at].into(), names[at]));
    let mut problems = Problems::none();
    let policy_of = |name| names.iter().position(|own| *own == name);
    compile(&routes, policy_of, &mut problems);
    problems.into_result(()).is_err()
}

#[test]
fn a_route_that_another_comes_before_is_named() {
    assert!(hidden(&["/a/*", "GET /a/b"]));
    assert!(hidden(&["GET /a", "HEAD /a"]));
    assert!(hidden(&["/users/{id}", "POST /users/me"]));
    assert!(hidden(&["/a/{*rest}", "/a/{id}/b"]));
    assert!(!hidden(&["GET /a/b", "/a/*"]));
    assert!(!hidden(&["POST /a", "/a"]));
    assert!(!hidden(&["/a/{*rest}", "/a/*"]));
    assert!(!hidden(&["/users/me", "/users/{id}"]));
}

/// All sequences of up to `most` of these, each behind a slash.
fn paths(of: &[&str], most: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut longest = all.clone();
    for _ in 0..most {
        longest = longest
            .iter()
            .flat_map(|path| of.iter().map(move |segment| format!("{path}/{segment}")))
            .collect();
        all.extend_from_slice(&longest);
    }
    all
}

#[test]
fn a_route_is_hidden_where_all_requests_of_it_are_requests_of_the_other() {
    let bodies = paths(&["", "a", "{id}"], 2);
    let routes: Vec<String> = ["", "/*", "/{*rest}"]
        .iter()
        .flat_map(|tail| bodies.iter().map(move |body| format!("{body}{tail}")))
        .filter(|route| !route.is_empty())
        .collect();
    // A bit for each of 121 requests, by a walk through all of them.
    let requests = paths(&["", "a", "b"], 4);
    let taken = |route: &String| {
        let taken = requests.iter().enumerate();
        let taken = taken.filter(|(_, path)| matches(route, path));
        taken.fold(0_u128, |all, (at, _)| all | 1 << at)
    };
    let taken: Vec<u128> = routes.iter().map(taken).collect();
    for (first, first_takes) in routes.iter().zip(&taken) {
        for (second, second_takes) in routes.iter().zip(&taken) {
            assert_eq!(
                hidden(&[first, second]),
                second_takes & !first_takes == 0,
                "{first} before {second}"
            );
        }
    }
}

#[test]
fn a_route_is_hidden_where_the_other_has_all_of_its_methods() {
    for (first, second, is_hidden) in [
        ("*", "*", true),
        ("*", "POST|PUT", true),
        ("GET|POST|PUT", "*", false),
        ("GET|POST", "POST|GET", true),
        ("GET|POST", "POST|HEAD", true),
        ("HEAD|POST", "GET", false),
        ("GET", "GET|POST", false),
    ] {
        let [earlier, later] = [first, second].map(|methods| format!("{methods} /a"));
        assert_eq!(hidden(&[&earlier, &later]), is_hidden, "{first}, {second}");
    }
}
