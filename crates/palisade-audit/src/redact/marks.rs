//! Marks by which issuers make their secrets known, as data.
//!
//! Compiled on 2026-11-29 from the rules of gitleaks (<https://github.com/gitleaks/gitleaks>, `config/gitleaks.toml`), in
//! a copy whose version is not known, and beside them from common knowledge of the prefixes of Stripe (`whsec_`), Google
//! (`ya29.`, `1//0`, `GOCSPX-`), OpenAI (`sk-proj-` and its siblings) and PASETO (`v4.local.` and its siblings). JSON Web
//! Encryption needs no mark (RFC 7516, section 3.1).

/// The beginning of a secret, and the least number of characters that must follow. Issuers lengthen their secrets, so
/// it is well below what they issue today.
pub(super) type Mark = (&'static [u8], usize);

/// The length of the shortest JSON Web Token that is known by its form: eight characters of a header, a dot, and more
/// than seven others.
pub(super) const SHORTEST_JWT: usize = 17;

/// In the order of their first bytes.
pub(super) const MARKS: &[Mark] = &[
    // Google refresh tokens.
    (b"1//0", 24),
    // age.
    (b"AGE-SECRET-KEY-1", 40),
    // Artifactory.
    (b"AKCp", 60),
    // AWS access keys, long-lived, temporary and of other kinds; Bedrock.
    (b"AKIA", 16),
    (b"ASIA", 16),
    (b"ABIA", 16),
    (b"ACCA", 16),
    (b"ABSK", 100),
    // Google API keys.
    (b"AIza", 30),
    // Atlassian.
    (b"ATATT3", 40),
    // Facebook pages.
    (b"EAAM", 100),
    (b"EAAC", 100),
    // EasyPost.
    (b"EZAK", 40),
    (b"EZTK", 40),
    // Flutterwave.
    (b"FLWSECK", 12),
    // Google OAuth client secrets.
    (b"GOCSPX-", 20),
    // GitLab runner registration.
    (b"GR1348941", 16),
    // Heroku.
    (b"HRKU-", 30),
    // New Relic.
    (b"NRAK-", 20),
    (b"NRII-", 20),
    // Postman.
    (b"PMAK-", 30),
    // SendGrid.
    (b"SG.", 20),
    // Hugging Face organisations.
    (b"api_org_", 24),
    // Databricks.
    (b"dapi", 32),
    // DigitalOcean.
    (b"doo_v1_", 30),
    (b"dop_v1_", 30),
    (b"dor_v1_", 30),
    // Doppler.
    (b"dp.pt.", 30),
    // Dynatrace.
    (b"dt0c01.", 40),
    // Duffel.
    (b"duffel_live_", 30),
    (b"duffel_test_", 30),
    // Fly.io.
    (b"fm1a_", 60),
    (b"fm1r_", 60),
    (b"fm2_", 60),
    (b"fo1_", 30),
    // GitHub.
    (b"ghp_", 30),
    (b"gho_", 30),
    (b"ghu_", 30),
    (b"ghs_", 30),
    (b"ghr_", 30),
    (b"github_pat_", 20),
    // GitLab.
    (b"glpat-", 16),
    (b"glptt-", 16),
    (b"gldt-", 16),
    (b"glrt-", 16),
    (b"glft-", 16),
    (b"glimt-", 16),
    (b"glcbt-", 16),
    (b"gloas-", 16),
    (b"glsoat-", 16),
    (b"glagent-", 16),
    (b"glffct-", 16),
    // Grafana.
    (b"glc_", 32),
    (b"glsa_", 32),
    // Hugging Face.
    (b"hf_", 24),
    // HashiCorp Vault.
    (b"hvs.", 20),
    (b"hvb.", 20),
    (b"hvr.", 20),
    // Linear.
    (b"lin_api_", 30),
    (b"lin_oauth_", 30),
    // npm.
    (b"npm_", 30),
    // Notion.
    (b"ntn_", 40),
    // 1Password.
    (b"ops_eyJ", 60),
    // Prefect.
    (b"pnu_", 30),
    // Perplexity.
    (b"pplx-", 30),
    // PlanetScale.
    (b"pscale_oauth_", 24),
    (b"pscale_pw_", 24),
    (b"pscale_tkn_", 24),
    // Pulumi.
    (b"pul-", 40),
    // PyPI.
    (b"pypi-", 40),
    // ReadMe.
    (b"rdme_", 60),
    // Stripe, restricted keys.
    (b"rk_live_", 10),
    (b"rk_test_", 10),
    (b"rk_prod_", 10),
    // RubyGems.
    (b"rubygems_", 40),
    // Shippo.
    (b"shippo_live_", 30),
    (b"shippo_test_", 30),
    // Shopify.
    (b"shpat_", 24),
    (b"shpca_", 24),
    (b"shppa_", 24),
    (b"shpss_", 24),
    // OpenShift.
    (b"sha256~", 40),
    // Anthropic, OpenAI.
    (b"sk-admin-", 20),
    (b"sk-ant-", 10),
    (b"sk-proj-", 20),
    (b"sk-svcacct-", 20),
    (b"sk-", 40),
    // Stripe, secret keys.
    (b"sk_live_", 10),
    (b"sk_test_", 10),
    (b"sk_prod_", 10),
    // Sentry.
    (b"sntrys_", 40),
    (b"sntryu_", 40),
    // Square.
    (b"sq0atp-", 20),
    (b"sq0csp-", 20),
    // Typeform.
    (b"tfp_", 40),
    // PASETO.
    (b"v1.local.", 30),
    (b"v1.public.", 30),
    (b"v2.local.", 30),
    (b"v2.public.", 30),
    (b"v3.local.", 30),
    (b"v3.public.", 30),
    (b"v4.local.", 30),
    (b"v4.public.", 30),
    // Stripe, signing of webhooks; Standard Webhooks.
    (b"whsec_", 24),
    // Slack.
    (b"xapp-", 10),
    (b"xoxa-", 10),
    (b"xoxb-", 10),
    (b"xoxe-", 10),
    (b"xoxe.", 10),
    (b"xoxo-", 10),
    (b"xoxp-", 10),
    (b"xoxr-", 10),
    (b"xoxs-", 10),
    // Brevo.
    (b"xkeysib-", 40),
    // Google OAuth access tokens.
    (b"ya29.", 20),
];

/// The range of the marks that begin with a byte.
const BY_FIRST: [(u8, u8); 256] = {
    let mut table = [(0, 0); 256];
    let mut nth = 0;
    while nth < MARKS.len() {
        let first = MARKS[nth].0[0] as usize;
        if table[first].1 == 0 {
            table[first] = (nth as u8, nth as u8 + 1);
        } else {
            // The marks of one first byte must follow each other.
            assert!(table[first].1 as usize == nth);
            table[first].1 = nth as u8 + 1;
        }
        nth += 1;
    }
    table
};

/// A bit for each two bytes that begin a mark.
static FIRST_TWO: [u64; 1_024] = {
    let mut bits = [0; 1_024];
    let mut nth = 0;
    while nth < MARKS.len() {
        let mark = MARKS[nth].0;
        let (word, bit) = place(mark[0], mark[1]);
        bits[word] |= bit;
        nth += 1;
    }
    bits
};

const fn place(first: u8, second: u8) -> (usize, u64) {
    let pair = (first as usize) << 8 | second as usize;
    (pair >> 6, 1 << (pair & 63))
}

/// Whether any mark begins with this byte.
pub(super) const fn begins(first: u8) -> bool {
    BY_FIRST[first as usize].1 > 0
}

/// The longest mark that a text begins with.
pub(super) fn of(text: &[u8]) -> Option<&'static Mark> {
    let [first, second, ..] = *text else {
        return None;
    };
    let (word, bit) = place(first, second);
    if FIRST_TWO[word] & bit == 0 {
        return None;
    }
    let (start, end) = BY_FIRST[usize::from(first)];
    let same_first = MARKS.get(usize::from(start)..usize::from(end))?;
    same_first
        .iter()
        .filter(|(mark, _)| text.starts_with(mark))
        .max_by_key(|(mark, _)| mark.len())
}
