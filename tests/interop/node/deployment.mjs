// What the tests are told about the running service, and how an operator makes clients there.

const variable = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run these tests with \`cargo xtask interop\``);
  return value;
};

export const issuer = new URL(variable('GETTONE_ISSUER'));
const management = variable('GETTONE_MANAGEMENT_URL');
const managementToken = variable('GETTONE_MANAGEMENT_TOKEN');

/** The audience every client of these tests may ask for. */
export const AUDIENCE = 'https://api.example/orders';
/** A permission every client of these tests has. */
export const PERMISSION = 'read:orders';

/** Makes a client; `members` are those of the registration. Returns the answer: client_id and maybe client_secret. */
export async function makeClient(members) {
  const answer = await fetch(`${management}/clients`, {
    method: 'POST',
    headers: { authorization: `Bearer ${managementToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ client_name: 'interop', audience: [AUDIENCE], permissions: [PERMISSION], ...members }),
  });
  const body = await answer.json();
  if (answer.status !== 201) throw new Error(`${answer.status}: ${JSON.stringify(body)}`);
  return body;
}

/** What /tokeninfo says about a token: the status. */
export async function tokeninfo(token) {
  const answer = await fetch(new URL('/tokeninfo', issuer), { headers: { authorization: `Bearer ${token}` } });
  return answer.status;
}
