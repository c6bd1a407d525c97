// fhirclient, the SMART client of JavaScript, with the flows of its documentation: create, update, patch, delete and
// request, pages, references, and the client of a patient.
import smart from 'fhirclient';
import { check, end, equal, holds, observation, patient, refused } from './tap.mjs';

// On a server a client is made of a request and an answer; without a launch nothing of them is used.
const client = smart({ headers: {} }, {}).client(process.argv[2]);
const make = (family) => client.create(patient(family));

await check('create, with the answer included', async () => {
  const { body, response } = await client.create(patient('Made'), { includeResponse: true });
  equal([response.status, body.meta.versionId], [201, '1']);
});
await check('request of a resource, of a version, of nobody', async () => {
  const { id } = await make('Read');
  equal((await client.request(`Patient/${id}`)).name[0].family, 'Read');
  equal((await client.request(`Patient/${id}/_history/1`)).meta.versionId, '1');
  const error = await refused(client.request('Patient/nobody'));
  equal(error.status, 404);
  holds(error.message.includes('nobody'), `the message is that of the outcome: ${error.message}`);
});
await check('update', async () => {
  const made = await make('Update');
  const updated = await client.update({ ...made, active: false });
  equal([updated.active, updated.meta.versionId], [false, '2']);
  const stale = await refused(client.update({ ...made, gender: 'female' }, { headers: { 'if-match': 'W/"1"' } }));
  equal(stale.status, 412);
});
await check('conditional create, update and delete', async () => {
  const where = 'identifier=http://example.org/patients|Cond';
  const create = () => client.create(patient('Cond'), { includeResponse: true, headers: { 'if-none-exist': where } });
  equal([(await create()).response.status, (await create()).response.status], [201, 200]);
  const updated = await client.request({
    url: `Patient?${where}`, method: 'PUT', body: JSON.stringify(patient('Cond', { active: false })),
    headers: { 'content-type': 'application/json' },
  });
  equal(updated.meta.versionId, '2');
  await client.delete(`Patient?${where}`);
  equal((await client.request(`Patient?${where}`)).entry ?? [], []);
});
await check('patch with JSON Patch, conditional too', async () => {
  const { id } = await make('Patch');
  const change = (value) => [{ op: 'replace', path: '/active', value }];
  const patched = await client.patch(`Patient/${id}`, change(false));
  equal([patched.active, patched.meta.versionId], [false, '2']);
  const again = await client.patch('Patient?identifier=http://example.org/patients|Patch', change(true));
  equal([again.active, again.meta.versionId], [true, '3']);
  equal((await refused(client.patch(`Patient/${id}`, [{ op: 'remove', path: '/nothing' }]))).status, 422);
});
await check('delete', async () => {
  const { id } = await make('Delete');
  await client.delete(`Patient/${id}`);
  equal((await refused(client.request(`Patient/${id}`))).status, 410);
});

const subject = `Patient/${(await make('Searched')).id}`;
const weights = (list) => list.map((resource) => resource.valueQuantity.value);
await check('request of pages: some, all, flat, one by one', async () => {
  for (let weight = 51; weight <= 57; weight++) await client.create(observation(subject, weight));
  const url = `Observation?subject=${subject}&_count=3&_sort=-_lastUpdated`;
  equal((await client.request(url, { pageLimit: 2 })).length, 2);
  equal((await client.request(url, { pageLimit: 0 })).map((page) => page.entry.length), [3, 3, 1]);
  equal(weights(await client.request(url, { pageLimit: 0, flat: true })), [57, 56, 55, 54, 53, 52, 51]);
  const seen = [];
  await client.request(url, { pageLimit: 0, onPage: (page) => seen.push(page.entry.length) });
  equal(seen, [3, 3, 1]);
  const one = [];
  for await (const resource of client.resources(url)) one.push(resource);
  equal(weights(one), [57, 56, 55, 54, 53, 52, 51]);
  let pages = 0;
  for await (const page of client.pages(url)) pages += page.entry.length > 0 ? 1 : 0;
  equal(pages, 3);
});
await check('request by POST to _search', async () => {
  const found = await client.request({
    url: 'Observation/_search', method: 'POST', body: new URLSearchParams({ subject, _count: '2' }).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  equal([found.type, found.entry.length], ['searchset', 2]);
});
await check('references are resolved: mounted, and apart', async () => {
  const url = `Observation?subject=${subject}&_count=2`;
  const mounted = await client.request(url, { resolveReferences: ['subject'], flat: true });
  equal(mounted.map((resource) => resource.subject.name[0].family), ['Searched', 'Searched']);
  const apart = await client.request(url, { resolveReferences: 'subject', graph: false });
  equal(Object.keys(apart.references), [subject]);
  const one = await client.request(url);
  equal(Object.keys(await client.getReferences(one, ['subject'])), [subject]);
});
await check('the client of a patient asks in its compartment', async () => {
  const { serverUrl } = client.state;
  const launched = smart({ headers: {} }, {}).client({ serverUrl, tokenResponse: { patient: subject.split('/')[1] } });
  equal((await launched.patient.read()).name[0].family, 'Searched');
  equal((await launched.patient.request('Observation')).entry.length, 7);
});
await check('the version and the release of FHIR', async () => {
  equal([await client.getFhirVersion(), await client.getFhirRelease()], ['4.0.1', 4]);
  const statement = await client.request('metadata');
  equal(statement.resourceType, 'CapabilityStatement');
});
await check('transaction and batch', async () => {
  for (const type of ['transaction', 'batch']) {
    const answer = await client.request({
      url: '/', method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        resourceType: 'Bundle',
        type,
        entry: [
          { resource: patient(`In${type}`), request: { method: 'POST', url: 'Patient' } },
          { request: { method: 'GET', url: `${subject}` } },
        ],
      }),
    });
    equal([answer.type, answer.entry.map((entry) => entry.response.status.slice(0, 3))],
      [`${type}-response`, ['201', '200']]);
  }
});
await check('histories', async () => {
  const { id } = await make('History');
  for (const url of [`Patient/${id}/_history`, 'Patient/_history', '_history']) {
    const found = await client.request(url);
    equal([found.type, found.entry[0].resource.id], ['history', id]);
  }
});
await check('Binary: written raw, read raw', async () => {
  const bytes = new Uint8Array([0x25, 0x50, 0x44, 0x46, 0, 255]);
  // The answer has no body, so the client reads what was made.
  const made = await client.request({
    url: 'Binary', method: 'POST', body: bytes, headers: { 'content-type': 'application/pdf' },
  });
  equal([made.resourceType, made.contentType], ['Binary', 'application/pdf']);
  const url = `Binary/${made.id}`;
  const raw = await client.request({ url, headers: { accept: 'application/pdf' } });
  equal([...new Uint8Array(await raw.arrayBuffer())], [...bytes]);
});
end();
