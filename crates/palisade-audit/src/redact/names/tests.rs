use super::*;
use crate::redact::decision_cache::DecisionCache;

#[test]
fn names_match_over_case_separators_and_camel_case() {
    let names = Names::defaults();
    for name in [
        "password",
        "PASSWORD",
        "user_password",
        "newPassword",
        "Password-Hash",
        "password_hash",
        "x-api-key",
        "apiKey",
        "APIKey",
        "apikey",
        "API_KEY",
        "clientSecret",
        "access_token",
        "accessToken",
        "id_token",
        "Authorization",
        "Proxy-Authorization",
        "set-cookie",
        "Cookie",
        "email",
        "e-mail",
        "guestEmail",
        "emails",
        "phone_number",
        "creditCard",
        "credit.card",
        "cvv2",
        "CVC",
        "ssn",
        "otp",
        "user[email]",
        "password1",
        "userpassword",
        "pass",
        "X-Amz-Security-Token",
        "aws_secret_access_key",
        "tokens",
        "session",
        "csrfmiddlewaretoken",
        "connect.sid",
        "mobile",
        "code_verifier",
        "mytoken",
        "authtoken",
        "user_mobile",
        "mobilePhone",
        "__RequestVerificationToken",
        "x-auth",
        "device_code",
        // The deny list of Sentry's SDK for Python (`sentry_sdk/scrubber.py`, read on
        // 2026-11-29), but for addresses of clients and the name of a framework.
        "mysql_pwd",
        "privatekey",
        "csrftoken",
        "x_csrftoken",
        "x_api_key",
        "aiohttp_session",
        "csrf_token",
        "_csrf",
        "_csrf_token",
        "PHPSESSID",
        "_session",
        "user_session",
        "_xsrf",
        "XSRF-TOKEN",
    ] {
        assert_eq!(names.decide(name), Some(Action::Mask), "{name}");
    }
}

#[test]
fn ordinary_names_and_names_about_secrets_stay() {
    let names = Names::defaults();
    for name in [
        "name",
        "room",
        "tokenizer",
        "secretary",
        "passenger",
        "compass",
        "token_type",
        "token_count",
        "password_policy",
        "email_verified",
        "max_tokens",
        "token_expires_in",
        "emailVerifiedAt",
        "microphone",
        "options",
        "shipping",
        "pinned",
        "authors",
        "spin",
        "side",
        "description",
        "company",
        "status_code",
        "session_title",
        "session_count",
        "sessions",
        "mobile_app",
        "is_mobile",
        "author",
        "oauth_provider",
        "confirmation_code",
        "error_code",
        "inside",
        "page_token",
        "nextPageToken",
        "continuation-token",
        "syncToken",
    ] {
        assert_eq!(names.decide(name), None, "{name}");
    }
}

#[test]
fn a_longer_name_that_was_set_wins() {
    let mut names = Names::defaults();
    names.set("public_token", Action::Keep);
    assert_eq!(names.decide("my_public_token"), Some(Action::Keep));
    assert_eq!(names.decide("my_token"), Some(Action::Mask));
}

#[test]
fn remembered_decisions_are_those_of_the_list_whatever_came_before() {
    use proptest::prelude::*;
    let names = Names::defaults();
    let decisions = std::cell::RefCell::new(DecisionCache::default());
    proptest!(|(name in "(user|new|x)?[-_]?(token|password|room|email|[a-z]{1,6})[A-Z0-9]?")| {
        for _ in 0..2 {
            prop_assert_eq!(decisions.borrow_mut().decide(&names, name.as_bytes()).action, names.decide(&name));
        }
    });
}

#[test]
fn endless_names_are_masked_without_being_taken_apart() {
    assert_eq!(
        Names::defaults().decide(&"x".repeat(257)),
        Some(Action::Mask)
    );
}

#[test]
fn words_are_told_apart_by_capitals_digits_and_gaps() {
    let names = Names::defaults();
    for name in [
        // The last of several capitals begins the next word.
        "HTTPEmail",
        "email2",
        "EMAIL2",
        "2email",
        "line2phone",
        "user_session_",
        "user[session]",
        "x--one--time--code",
        "__otp__",
    ] {
        assert_eq!(names.decide(name), Some(Action::Mask), "{name}");
    }
    for name in ["httpemailer", "token_type_", "token[type]", "_"] {
        assert_eq!(names.decide(name), None, "{name}");
    }
}

#[test]
fn digits_are_part_of_a_name() {
    let mut names = Names::default();
    names.set("room2", Action::Mask);
    for name in ["room2", "Room-2", "my_room_2"] {
        assert_eq!(names.decide(name), Some(Action::Mask), "{name}");
    }
    for name in ["room", "room3", "room22"] {
        assert_eq!(names.decide(name), None, "{name}");
    }
}

#[test]
fn letters_of_every_alphabet_match_over_case() {
    let mut names = Names::default();
    names.set("contraseña", Action::Mask);
    names.set("Пароль", Action::Mask);
    for name in [
        "contraseña",
        "Contraseña",
        "CONTRASEÑA",
        "nuevaContraseña",
        "user_CONTRASEÑA",
        "пароль",
        "ПАРОЛЬ",
        "новыйПароль",
    ] {
        assert_eq!(names.decide(name), Some(Action::Mask), "{name}");
    }
    for name in ["contrasea", "contrase-a", "contrasena"] {
        assert_eq!(names.decide(name), None, "{name}");
    }
}

#[test]
fn a_name_may_have_more_words_than_those_that_were_set() {
    let mut names = Names::default();
    names.set("roomkey", Action::Mask);
    assert_eq!(names.decide("my_room_key"), Some(Action::Mask));
    assert_eq!(names.decide("my_room"), None);
}

#[test]
fn a_flag_begins_with_the_word_is() {
    let names = Names::defaults();
    for name in ["isolated_session", "my_session", "issuer_auth"] {
        assert_eq!(names.decide(name), Some(Action::Mask), "{name}");
    }
    for name in ["is_mobile", "isMobile", "is-session"] {
        assert_eq!(names.decide(name), None, "{name}");
    }
}

#[test]
fn a_name_tells_about_a_secret_only_where_all_of_its_form_does() {
    let names = Names::defaults();
    for name in [
        // A quantity of something else, and tokens that are not counted.
        "total_secret",
        "output_password",
        "auth_tokens",
        // A verb without its preposition, and the other way round.
        "used_token",
        "changed_password",
        "password_at",
        "token_in",
        // A place of something else.
        "page_secret",
    ] {
        assert_eq!(names.decide(name), Some(Action::Mask), "{name}");
    }
    for name in ["total_tokens", "token_used_at", "passwordChangedOn"] {
        assert_eq!(names.decide(name), None, "{name}");
    }
}

#[test]
fn the_longest_name_that_is_taken_apart_has_256_bytes() {
    let names = Names::defaults();
    assert_eq!(names.decide(&"x".repeat(256)), None);
    assert_eq!(names.decide(&"x".repeat(257)), Some(Action::Mask));
    assert_eq!(Names::default().decide(&"x".repeat(257)), None);
}

#[test]
fn names_that_were_set_count_once_however_they_are_spelled() {
    let mut names = Names::default();
    assert_eq!(names.len(), 0);
    names.set("room_code", Action::Mask);
    names.set("badge", Action::Drop);
    names.set("RoomCode", Action::Keep);
    names.set("--", Action::Mask);
    assert_eq!(names.len(), 2);
}
