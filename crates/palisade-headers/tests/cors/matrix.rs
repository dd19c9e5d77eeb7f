//! Every cell of `matrix.tsv` against a model of what a browser does (Fetch, sections 4.8 and 4.9).

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Empty;
use tower::{Layer, ServiceExt, service_fn};

use crate::policies::policy;

const MATRIX: &str = include_str!("matrix.tsv");

struct Cell {
    policy: &'static str,
    page: &'static str,
    method: &'static str,
    header: Option<&'static str>,
    credentials: bool,
    outcome: &'static str,
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for line in MATRIX.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [policy, pages, method, header, credentials, outcome] = columns[..] else {
            panic!("six columns: {line:?}");
        };
        cells.extend(pages.split(' ').map(|page| Cell {
            policy,
            page,
            method,
            header: (header != "-").then_some(header),
            credentials: credentials == "include",
            outcome,
        }));
    }
    cells
}

/// The answer of the server, and whether the handler saw the request.
async fn send(cell: &Cell, request: Request<()>) -> (http::StatusCode, HeaderMap, bool) {
    let reached = AtomicBool::new(false);
    let handler = service_fn(|_: Request<()>| {
        reached.store(true, Ordering::Relaxed);
        async { Ok::<_, std::convert::Infallible>(Response::new(Empty::<Bytes>::new())) }
    });
    let response = policy(cell.policy)
        .layer(handler)
        .oneshot(request)
        .await
        .unwrap();
    let (head, _) = response.into_parts();
    (head.status, head.headers, reached.load(Ordering::Relaxed))
}

/// The CORS check (Fetch, section 4.9).
fn may_read(cell: &Cell, headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all("access-control-allow-origin").iter();
    let (Some(allowed), None) = (origins.next(), origins.next()) else {
        return false;
    };
    if allowed == "*" && !cell.credentials {
        return true;
    }
    let with_credentials = headers.get("access-control-allow-credentials");
    allowed == cell.page
        && (!cell.credentials || with_credentials.is_some_and(|value| value == "true"))
}

fn lists(cell: &Cell, headers: &HeaderMap, name: &str, item: &str, star: bool) -> bool {
    let lines = headers
        .get_all(name)
        .iter()
        .map(|line| line.to_str().unwrap());
    lines
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .any(|known| {
            known.eq_ignore_ascii_case(item) || (known == "*" && star && !cell.credentials)
        })
}

fn is_simple(cell: &Cell) -> bool {
    ["GET", "HEAD", "POST"].contains(&cell.method) && cell.header.is_none()
}

async fn preflight_passes(cell: &Cell) -> bool {
    let mut request = Request::options("/")
        .header("origin", cell.page)
        .header("access-control-request-method", cell.method);
    if let Some(header) = cell.header {
        request = request.header("access-control-request-headers", header);
    }
    let (status, headers, _) = send(cell, request.body(()).unwrap()).await;
    let method = ["GET", "HEAD", "POST"].contains(&cell.method)
        || lists(
            cell,
            &headers,
            "access-control-allow-methods",
            cell.method,
            true,
        );
    let header = cell.header.is_none_or(|header| {
        lists(
            cell,
            &headers,
            "access-control-allow-headers",
            header,
            header != "authorization",
        )
    });
    status.is_success() && may_read(cell, &headers) && method && header
}

async fn outcome(cell: &Cell) -> &'static str {
    if !is_simple(cell) && !preflight_passes(cell).await {
        return "stopped";
    }
    let mut request = Request::builder()
        .method(cell.method)
        .header("origin", cell.page);
    if let Some(header) = cell.header {
        request = request.header(header, "x");
    }
    let (_, headers, reached) = send(cell, request.body(()).unwrap()).await;
    assert!(reached, "CORS refuses no request but a preflight");
    if may_read(cell, &headers) {
        "read"
    } else {
        "unread"
    }
}

#[tokio::test]
async fn every_cell_of_the_matrix_is_as_predicted() {
    let cells = cells();
    assert!(cells.len() >= 60, "{} cells", cells.len());
    for cell in &cells {
        assert_eq!(
            outcome(cell).await,
            cell.outcome,
            "{} {} {} {:?} credentials {}",
            cell.policy,
            cell.page,
            cell.method,
            cell.header,
            cell.credentials
        );
    }
}
