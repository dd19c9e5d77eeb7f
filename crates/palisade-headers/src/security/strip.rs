use http::HeaderName;

/// Response headers that tell an attacker what a service is built with.
///
/// The names of `ci/headers_remove.json` of the OWASP Secure Headers Project, as published on 2026-09-13.
pub const FINGERPRINTS: [HeaderName; 88] = {
    macro_rules! names {
        ($($name:literal)+) => { [$(HeaderName::from_static($name)),+] };
    }
    names! {
        "$wsep" "host-header" "k-proxy-request" "liferay-portal" "oraclecommercecloud-version" "pega-host"
        "powered-by" "product" "server" "sourcemap" "teamcity-node-id" "x-aspnet-version" "x-aspnetmvc-version"
        "x-atmosphere-error" "x-atmosphere-first-request" "x-atmosphere-tracking-id" "x-b3-parentspanid"
        "x-b3-sampled" "x-b3-spanid" "x-b3-traceid" "x-beserver" "x-backside-transport" "x-cf-powered-by" "x-cms"
        "x-calculatedbetarget" "x-cocoon-version" "x-content-encoded-by" "x-datadog-origin" "x-datadog-parent-id"
        "x-datadog-sampling-priority" "x-datadog-tags" "x-datadog-trace-id" "x-diaginfo" "x-envoy-attempt-count"
        "x-envoy-external-address" "x-envoy-internal" "x-envoy-original-dst-host" "x-envoy-upstream-service-time"
        "x-feserver" "x-framework" "x-generated-by" "x-generator" "x-gitlab-meta" "x-jitsi-release" "x-joomla-version"
        "x-kong-admin-latency" "x-kong-client-latency" "x-kong-proxy-latency" "x-kong-request-id"
        "x-kong-response-latency" "x-kong-third-party-latency" "x-kong-total-latency" "x-kong-upstream-latency"
        "x-kong-upstream-status" "x-kubernetes-pf-flowschema-ui" "x-kubernetes-pf-prioritylevel-uid"
        "x-litespeed-cache" "x-litespeed-purge" "x-litespeed-tag" "x-litespeed-vary" "x-litespeed-cache-control"
        "x-mod-pagespeed" "x-nextjs-cache" "x-nextjs-matched-path" "x-nextjs-page" "x-nextjs-redirect" "x-owa-version"
        "x-old-content-length" "x-oneagent-js-injection" "x-page-speed" "x-php-version" "x-powered-by"
        "x-powered-by-plesk" "x-powered-cms" "x-redirect-by" "x-server-powered-by" "x-sourcefiles" "x-sourcemap"
        "x-turbo-charged-by" "x-tyk-trace-id" "x-umbraco-version" "x-varnish-backend" "x-varnish-server"
        "x-woodpecker-version" "x-dtagentid" "x-dthealthcheck" "x-dtinjectedservlet" "x-ruxit-js-agent"
    }
};
