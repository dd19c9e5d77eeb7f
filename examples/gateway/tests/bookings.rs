//! Bookings: whose they are, and what is sealed in them.

mod support;

use std::collections::HashSet;

use serde_json::json;

use support::{Gateway, booking, hardened, refused};

#[tokio::test]
async fn a_booking_is_its_owners_and_sealed_at_rest() {
    let gateway = Gateway::start();
    let alice = gateway.token("alice").await;
    let rita = gateway.token("rita").await;
    let fay = gateway.token("fay").await;

    let made = gateway
        .client
        .post(gateway.at("/api/bookings"))
        .bearer_auth(&alice)
        .json(&booking())
        .send()
        .await;
    let (status, _, made) = hardened(made.unwrap()).await;
    assert_eq!(status, 201, "{made}");
    let path = format!("/api/bookings/{}", made["id"].as_str().unwrap());

    for (token, expected) in [(&alice, 200), (&fay, 200), (&rita, 403)] {
        let read = gateway
            .client
            .get(gateway.at(&path))
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        assert_eq!(read.status(), expected);
    }
    let (_, _, list) = hardened(
        gateway
            .client
            .get(gateway.at("/api/bookings"))
            .bearer_auth(&alice)
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(list["bookings"][0]["email"], "guest@example.com");

    let stored = std::fs::read(gateway.data.path().join("bookings.redb")).unwrap();
    for clear in ["guest@example.com", "668 18 00", "4111 1111"] {
        assert!(
            !stored
                .windows(clear.len())
                .any(|window| window == clear.as_bytes()),
            "{clear} lies there in clear"
        );
    }
}

#[tokio::test]
async fn every_bad_field_of_a_booking_is_listed() {
    let gateway = Gateway::start();
    let alice = gateway.token("alice").await;
    let bad = json!({ "room": "", "start": "x", "end": "y", "email": "z", "phone": "p", "credit_card": "1" });
    let sent = gateway
        .client
        .post(gateway.at("/api/bookings"))
        .bearer_auth(&alice)
        .json(&bad)
        .send()
        .await
        .unwrap();
    let (_, body) = refused(sent, "VALIDATION_ERROR").await;
    let fields: HashSet<_> = body["error"]["details"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        fields,
        HashSet::from(["room", "start", "end", "email", "phone", "credit_card"])
    );
}

#[tokio::test]
async fn a_scope_that_is_missing_is_named() {
    let gateway = Gateway::start();
    let rita = gateway.token("rita").await;
    let sent = gateway
        .client
        .post(gateway.at("/api/bookings"))
        .bearer_auth(&rita)
        .json(&booking())
        .send()
        .await;
    let (headers, _) = refused(sent.unwrap(), "AUTHORIZATION_ERROR").await;
    let challenge = headers["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.contains("insufficient_scope") && challenge.contains("scope=\"write\""),
        "{challenge}"
    );
}

#[tokio::test]
async fn an_admin_finds_by_email_and_deletes() {
    let gateway = Gateway::start();
    let alice = gateway.token("alice").await;
    let ada = gateway.token("ada").await;
    gateway
        .client
        .post(gateway.at("/api/bookings"))
        .bearer_auth(&alice)
        .json(&booking())
        .send()
        .await
        .unwrap();

    let search = gateway.at("/api/bookings/by-email?email=Guest@Example.com");
    let refusal = gateway
        .client
        .get(&search)
        .bearer_auth(&alice)
        .send()
        .await
        .unwrap();
    refused(refusal, "AUTHORIZATION_ERROR").await;
    let (_, _, found) = hardened(
        gateway
            .client
            .get(&search)
            .bearer_auth(&ada)
            .send()
            .await
            .unwrap(),
    )
    .await;
    let id = found["bookings"][0]["id"]
        .as_str()
        .expect("one booking")
        .to_owned();

    let path = gateway.at(&format!("/api/admin/bookings/{id}"));
    assert_eq!(
        gateway
            .client
            .delete(&path)
            .bearer_auth(&alice)
            .send()
            .await
            .unwrap()
            .status(),
        403
    );
    assert_eq!(
        gateway
            .client
            .delete(&path)
            .bearer_auth(&ada)
            .send()
            .await
            .unwrap()
            .status(),
        204
    );
    assert_eq!(
        gateway
            .client
            .delete(&path)
            .bearer_auth(&ada)
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
    let (_, _, found) = hardened(
        gateway
            .client
            .get(&search)
            .bearer_auth(&ada)
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(found["bookings"], json!([]));

    let tail = gateway
        .client
        .get(gateway.at("/api/admin/audit?tail=50"))
        .bearer_auth(&ada)
        .send()
        .await
        .unwrap();
    let (status, _, tail) = hardened(tail).await;
    assert_eq!(status, 200);
    assert!(
        tail["records"].to_string().contains("authz_admin"),
        "{tail}"
    );
}

#[tokio::test]
async fn what_cannot_be_read_of_an_address_is_refused_in_the_one_format() {
    let gateway = Gateway::start();
    let ada = gateway.token("ada").await;
    for (path, code) in [
        ("/api/admin/audit?tail=1&tail=2", "VALIDATION_ERROR"),
        (
            "/api/bookings/by-email?email=a%40b.ch&email=c%40d.ch",
            "VALIDATION_ERROR",
        ),
        ("/api/bookings/%ff", "NOT_FOUND"),
    ] {
        let request = gateway.client.get(gateway.at(path)).bearer_auth(&ada);
        refused(request.send().await.unwrap(), code).await;
    }
    let request = gateway.client.delete(gateway.at("/api/admin/bookings/%ff"));
    let response = request.bearer_auth(&ada).send().await.unwrap();
    refused(response, "NOT_FOUND").await;
}

#[tokio::test]
async fn a_partner_gets_fields_sealed() {
    let gateway = Gateway::start();
    let alice = gateway.token("alice").await;
    gateway
        .client
        .post(gateway.at("/api/bookings"))
        .bearer_auth(&alice)
        .json(&booking())
        .send()
        .await
        .unwrap();
    let path = gateway.at("/api/partner/bookings");
    assert_eq!(
        gateway
            .client
            .get(&path)
            .bearer_auth(&alice)
            .send()
            .await
            .unwrap()
            .status(),
        403
    );
    let (status, _, body) = hardened(
        gateway
            .client
            .get(&path)
            .header("x-api-key", &gateway.api_key)
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(status, 200);
    for field in ["email", "phone", "credit_card"] {
        assert!(
            body["bookings"][0][field]
                .as_str()
                .unwrap()
                .starts_with("pl1."),
            "{body}"
        );
    }
    assert_eq!(body["bookings"][0]["room"], "Blue");
}
