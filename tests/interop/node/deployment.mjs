// What the tests are told about the running service, and how an operator makes clients there.

import { readFile, writeFile } from 'node:fs/promises';

const variable = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run these tests with \`cargo xtask interop\``);
  return value;
};

export const issuer = new URL(variable('GETTONE_ISSUER'));
const management = variable('GETTONE_MANAGEMENT_URL');
const managementToken = variable('GETTONE_MANAGEMENT_TOKEN');
const page = await readFile(variable('GETTONE_PAGE'), 'utf8');

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

/** Runs the lines that the page has for a library, with these values for the names that they leave open. Returns the token. */
export async function tokenOfThePage(library, values) {
  const lines = page.split(`<!-- interop ${library} -->\n\`\`\`js\n`)[1].split('```')[0];
  const module = new URL(`page-${library}.mjs`, import.meta.url);
  await writeFile(module, `${lines}\nexport { token };\n`);
  Object.assign(globalThis, { issuer: issuer.href.replace(/\/$/, ''), audience: AUDIENCE, ...values });
  return (await import(module)).token;
}
