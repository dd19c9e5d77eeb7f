// An OpenID Connect provider for development: oidc-provider, which is certified, with one client and any name and password.
// PORT is where it listens (9000), APP the address of the service that signs in here (http://localhost:8080), BACK_CHANNEL
// the instance of it that is told of logouts (APP). HOST may be 127.0.0.1, which is another site than localhost to a browser.
// JWK is the public key of a second client, `bookings-with-key`, which has no secret and is sent signed claims.

import { createServer } from "node:http";
import Provider from "oidc-provider";

const { PORT = "9000", APP = "http://localhost:8080", BACK_CHANNEL = APP, HOST = "localhost", JWK } = process.env;

const server = createServer();
server.listen(Number(PORT), HOST, () => {
  const issuer = `http://${HOST}:${server.address().port}`;
  const addresses = {
    redirect_uris: [`${APP}/callback`],
    post_logout_redirect_uris: [`${APP}/`],
    backchannel_logout_uri: `${BACK_CHANNEL}/logout/back-channel`,
    backchannel_logout_session_required: true,
  };
  const withKey = JWK && {
    client_id: "bookings-with-key",
    token_endpoint_auth_method: "private_key_jwt",
    token_endpoint_auth_signing_alg: "ES256",
    userinfo_signed_response_alg: "RS256",
    jwks: { keys: [JSON.parse(JWK)] },
    ...addresses,
  };
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "bookings",
        client_secret: "secret-of-bookings-for-development",
        ...addresses,
      },
      ...(withKey ? [withKey] : []),
    ],
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    // `alice` has a verified address; whoever is called `unverified...` has none.
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({
        sub: id,
        name: id,
        email: `${id}@example.com`,
        email_verified: !id.startsWith("unverified"),
      }),
    }),
    features: { backchannelLogout: { enabled: true }, jwtUserinfo: { enabled: true } },
    cookies: { keys: ["for development alone"] },
  });
  server.on("request", provider.callback());
  console.log(`listening on ${issuer}`);
});
