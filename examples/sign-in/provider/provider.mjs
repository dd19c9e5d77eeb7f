// An OpenID Connect provider for development: oidc-provider, which is certified, with one client and any name and password.
// PORT is where it listens (9000), APP the address of the service that signs in here (http://localhost:8080), BACK_CHANNEL
// the instance of it that is told of logouts (APP).

import { createServer } from "node:http";
import Provider from "oidc-provider";

const { PORT = "9000", APP = "http://localhost:8080", BACK_CHANNEL = APP } = process.env;

const server = createServer();
server.listen(Number(PORT), "localhost", () => {
  const issuer = `http://localhost:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "bookings",
        client_secret: "secret-of-bookings-for-development",
        redirect_uris: [`${APP}/callback`],
        post_logout_redirect_uris: [`${APP}/`],
        backchannel_logout_uri: `${BACK_CHANNEL}/logout/back-channel`,
        backchannel_logout_session_required: true,
      },
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
    features: { backchannelLogout: { enabled: true } },
    cookies: { keys: ["for development alone"] },
  });
  server.on("request", provider.callback());
  console.log(`listening on ${issuer}`);
});
