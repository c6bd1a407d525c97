// fhir-kit-client, with the flows of its README in their order.
import { CapabilityTool, Client } from 'fhir-kit-client';
import { check, end, equal, holds, observation, patient, refused } from './tap.mjs';

const client = new Client({ baseUrl: process.argv[2] });
const make = (family, options) => client.create({ resourceType: 'Patient', body: patient(family), options });
const status = (result) => Client.httpFor(result).response.status;
const header = (result, name) => Client.httpFor(result).response.headers.get(name);
const entries = (bundle) => bundle.entry ?? [];

/** The refusal of a request: its status, whose answer must be an OperationOutcome. */
async function refusal(promise) {
  const error = await refused(promise);
  equal(error.response?.data?.resourceType, 'OperationOutcome');
  holds(error.response.data.issue[0].diagnostics, 'the outcome says what is wrong');
  return { status: error.response.status, issue: error.response.data.issue[0] };
}

await check('read and vread', async () => {
  const { id } = await make('Read');
  const read = await client.read({ resourceType: 'Patient', id });
  equal(read.name[0].family, 'Read');
  equal(header(read, 'etag'), 'W/"1"');
  const first = await client.vread({ resourceType: 'Patient', id, version: '1' });
  equal(first, read);
  equal((await refusal(client.read({ resourceType: 'Patient', id: 'nobody' }))).status, 404);
});
await check('create, also with Prefer: return=minimal', async () => {
  const created = await make('Made');
  equal(status(created), 201);
  equal(created.meta.versionId, '1');
  const minimal = await make('Made', { headers: { Prefer: 'return=minimal' } });
  equal(status(minimal), 201);
  equal(minimal.resourceType, undefined);
  holds(header(minimal, 'location').includes('/Patient/'), 'the location tells the id');
});
await check('conditional create', async () => {
  const options = { headers: { 'If-None-Exist': 'identifier=http://example.org/patients|IfNone' } };
  equal(status(await make('IfNone', options)), 201);
  equal(status(await make('IfNone', options)), 200);
});
await check('update, also one that creates', async () => {
  const made = await make('Update');
  const updated = await client.update({ resourceType: 'Patient', id: made.id, body: { ...made, active: false } });
  equal([updated.active, updated.meta.versionId], [false, '2']);
  const chosen = await client.update({ resourceType: 'Patient', id: 'chosen', body: patient('Chosen', { id: 'chosen' }) });
  equal([status(chosen), chosen.id], [201, 'chosen']);
});
await check('conditional update', async () => {
  const again = (body) => client.update({
    resourceType: 'Patient', searchParams: { identifier: 'http://example.org/patients|CondUpdate' }, body,
  });
  equal(status(await again(patient('CondUpdate'))), 201);
  const updated = await again(patient('CondUpdate', { active: false }));
  equal([status(updated), updated.meta.versionId], [200, '2']);
  await make('CondUpdate');
  equal((await refusal(again(patient('CondUpdate')))).status, 412);
});
await check('an update of an old version is refused', async () => {
  const made = await make('Stale');
  const update = (body) => client.update({
    resourceType: 'Patient', id: made.id, body, options: { headers: { 'If-Match': 'W/"1"' } },
  });
  await update({ ...made, active: false });
  equal((await refusal(update({ ...made, gender: 'female' }))).status, 412);
});
await check('patch with JSON Patch', async () => {
  const { id } = await make('Patch');
  const patched = await client.patch({
    resourceType: 'Patient', id, jsonPatch: [
      { op: 'replace', path: '/active', value: false },
      { op: 'add', path: '/name/-', value: { use: 'nickname', text: 'Jay' } },
    ],
  });
  equal([patched.active, patched.name.length, patched.meta.versionId], [false, 2, '2']);
  const untrue = [{ op: 'test', path: '/active', value: true }];
  equal((await refusal(client.patch({ resourceType: 'Patient', id, jsonPatch: untrue }))).status, 422);
  equal((await refusal(client.patch({ resourceType: 'Patient', id: 'nobody', jsonPatch: untrue }))).status, 404);
  const stale = { headers: { 'If-Match': 'W/"1"' } };
  equal((await refusal(client.patch({ resourceType: 'Patient', id, jsonPatch: untrue, options: stale }))).status, 412);
});
await check('delete', async () => {
  const { id } = await make('Delete');
  holds([200, 204].includes(status(await client.delete({ resourceType: 'Patient', id }))), 'the deletion is taken');
  equal((await refusal(client.read({ resourceType: 'Patient', id }))).status, 410);
  await client.delete({ resourceType: 'Patient', id });
});
await check('conditional delete by a raw request', async () => {
  await make('CondDelete');
  const where = 'Patient?identifier=http://example.org/patients|CondDelete';
  await client.request(where, { method: 'DELETE' });
  equal(entries(await client.request(where)).length, 0);
});

const subject = `Patient/${(await make('Searched')).id}`;
await check('search by type, by GET and by POST, on all pages', async () => {
  for (let weight = 51; weight <= 57; weight++) {
    await client.create({ resourceType: 'Observation', body: observation(subject, weight) });
  }
  for (const postSearch of [false, true]) {
    let bundle = await client.search({
      resourceType: 'Observation', searchParams: { subject, _count: '3', _sort: '-_lastUpdated' }, options: { postSearch },
    });
    equal([bundle.type, entries(bundle).length], ['searchset', 3]);
    const weights = [];
    let last;
    for (; bundle; bundle = await client.nextPage({ bundle })) {
      weights.push(...entries(bundle).map((entry) => entry.resource.valueQuantity.value));
      last = bundle;
    }
    equal(weights, [57, 56, 55, 54, 53, 52, 51]);
    const before = await client.prevPage({ bundle: last });
    equal(entries(before).map((entry) => entry.resource.valueQuantity.value), [54, 53, 52]);
  }
});
await check('search of the system, of a compartment, and by the direct methods', async () => {
  const id = subject.split('/')[1];
  const all = await client.search({ searchParams: { _type: 'Patient,Observation', _count: '4' } });
  equal(entries(all).length, 4);
  equal(entries(await client.systemSearch({ searchParams: { _type: 'Observation' } })).length, 7);
  equal(entries(await client.resourceSearch({ resourceType: 'Observation', searchParams: { patient: id } })).length, 7);
  const compartment = { resourceType: 'Observation', compartment: { resourceType: 'Patient', id } };
  equal(entries(await client.search(compartment)).length, 7);
  equal(entries(await client.compartmentSearch(compartment)).length, 7);
});
await check('search with _include and _revinclude, _summary and _elements', async () => {
  const search = (resourceType, searchParams) => client.search({ resourceType, searchParams });
  const modes = (bundle) => entries(bundle).map((entry) => entry.search.mode).sort();
  equal(modes(await search('Observation', { subject, _include: 'Observation:subject', _count: '1' })),
    ['include', 'match']);
  equal(modes(await search('Patient', { family: 'Searched', _revinclude: 'Observation:subject' })).length, 8);
  equal(entries(await search('Patient', { family: 'Searched', _summary: 'count' })).length, 0);
  const part = entries(await search('Patient', { family: 'Searched', _elements: 'active' }))[0].resource;
  equal([part.active, part.name, part.meta.tag[0].code], [true, undefined, 'SUBSETTED']);
});
await check('an unknown parameter is refused', async () => {
  const { status: code, issue } = await refusal(client.search({ resourceType: 'Patient', searchParams: { frob: '1' } }));
  equal(code, 400);
  holds(issue.diagnostics.includes('frob'), 'the outcome names it');
});
await check('operations that are not offered are refused', async () => {
  const { id } = await make('Operation');
  for (const asked of [
    { name: 'frobnicate', input: patient('Any') },
    { name: 'frobnicate', resourceType: 'ConceptMap', method: 'GET', input: { url: 'http://example.org/map' } },
    { name: 'frobnicate', resourceType: 'Patient', id },
  ]) {
    const { status: code, issue } = await refusal(client.operation(asked));
    equal([code, issue.code], [404, 'not-supported']);
  }
});
await check('batch', async () => {
  const answer = await client.batch({
    body: {
      resourceType: 'Bundle',
      type: 'batch',
      entry: [
        { request: { method: 'GET', url: subject } },
        { request: { method: 'GET', url: `Observation?subject=${subject}&_count=5` } },
        { request: { method: 'GET', url: 'Patient/nobody' } },
        { resource: patient('Batch'), request: { method: 'POST', url: 'Patient' } },
      ],
    },
  });
  equal(answer.type, 'batch-response');
  equal(answer.entry.map((entry) => entry.response.status.slice(0, 3)), ['200', '200', '404', '201']);
});
await check('transaction, also one that is larger than keepalive allows', async () => {
  const body = { resourceType: 'Bundle', type: 'transaction', entry: [] };
  for (let i = 0; i < 300; i++) {
    body.entry.push({ resource: patient(`Tx${i}`), request: { method: 'POST', url: 'Patient' } });
  }
  body.entry.push({
    fullUrl: 'urn:uuid:0fc374a1-a226-4552-9683-55dd510e67c9',
    resource: patient('Tx'),
    request: { method: 'POST', url: 'Patient', ifNoneExist: 'identifier=http://example.org/patients|Tx' },
  }, {
    resource: observation('urn:uuid:0fc374a1-a226-4552-9683-55dd510e67c9', 60),
    request: { method: 'POST', url: 'Observation' },
  });
  const answer = await client.transaction({ body, options: { keepalive: false } });
  equal([answer.type, answer.entry.length], ['transaction-response', 302]);
  const made = await client.request(answer.entry[301].response.location.replace(/\/_history.*/, ''));
  holds(answer.entry[300].response.location.includes(`${made.subject.reference}/_history/1`), 'the reference is resolved');
});
await check('a transaction with a patch and a delete', async () => {
  const kept = await make('TxPatch');
  const gone = await make('TxGone');
  const patch = Buffer.from(JSON.stringify([{ op: 'replace', path: '/active', value: false }])).toString('base64');
  const answer = await client.transaction({
    body: {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        {
          resource: { resourceType: 'Binary', contentType: 'application/json-patch+json', data: patch },
          request: { method: 'PATCH', url: `Patient/${kept.id}` },
        },
        { request: { method: 'DELETE', url: `Patient/${gone.id}` } },
      ],
    },
  });
  equal(answer.entry.map((entry) => entry.response.status.slice(0, 3)), ['200', '204']);
  equal((await client.read({ resourceType: 'Patient', id: kept.id })).active, false);
});
await check('history of a resource, of a type, of all', async () => {
  const made = await make('History');
  await client.update({ resourceType: 'Patient', id: made.id, body: { ...made, active: false } });
  const one = await client.history({ resourceType: 'Patient', id: made.id });
  equal([one.type, entries(one).map((entry) => entry.request.method)], ['history', ['PUT', 'POST']]);
  const type = await client.history({ resourceType: 'Patient' });
  equal([type.type, entries(type)[0].resource.id], ['history', made.id]);
  const all = await client.history();
  equal([all.type, entries(all)[0].resource.id], ['history', made.id]);
  const next = await client.nextPage({ bundle: all });
  equal(next.type, 'history');
});
await check('capability statement and CapabilityTool', async () => {
  const tool = new CapabilityTool(await client.capabilityStatement());
  for (const interaction of ['transaction', 'batch', 'search-system', 'history-system']) {
    holds(tool.serverCan(interaction), `the server can ${interaction}`);
  }
  for (const interaction of ['read', 'vread', 'update', 'patch', 'delete', 'history-instance', 'history-type', 'create',
    'search-type']) {
    holds(tool.resourceCan('Patient', interaction), `Patient can ${interaction}`);
  }
  holds(tool.resourceSearch('Patient', 'birthdate'), 'patients are found by birthdate');
  holds(['single', 'multiple'].includes(tool.capabilityContents({
    resourceType: 'Patient', capabilityType: 'conditionalDelete',
  })), 'conditional delete is offered');
  holds(tool.searchParamsFor({ resourceType: 'Patient' }).length > 20, 'the search parameters are named');
});
await check('resolve: relative, absolute, in a bundle, contained', async () => {
  const made = await client.create({ resourceType: 'Observation', body: observation(subject, 60) });
  const relative = await client.resolve({ reference: made.subject.reference });
  equal(relative.name[0].family, 'Searched');
  equal((await client.resolve({ reference: `${client.baseUrl}/${subject}` })).id, relative.id);
  const bundle = await client.search({
    resourceType: 'Observation', searchParams: { _id: made.id, _include: 'Observation:subject' },
  });
  equal((await client.resolve({ reference: subject, context: bundle })).id, relative.id);
  const holder = await client.create({
    resourceType: 'Observation',
    body: { ...observation('#inside', 61), contained: [patient('Inside', { id: 'inside' })] },
  });
  equal((await client.resolve({ reference: '#inside', context: holder })).name[0].family, 'Inside');
});
await check('raw requests: create, read, delete', async () => {
  const made = await client.request('Patient', {
    method: 'POST', body: patient('Raw'), options: { headers: { 'Content-Type': 'application/fhir+json' } },
  });
  equal((await client.request(`Patient/${made.id}`)).name[0].family, 'Raw');
  await client.request(`Patient/${made.id}`, { method: 'DELETE' });
  equal((await refusal(client.request(`Patient/${made.id}`))).status, 410);
});
await check('an asynchronous search: accepted, polled, a batch-response', async () => {
  const accepted = await client.request(`Observation?subject=${subject}`, {
    options: { headers: { Prefer: 'respond-async' } },
  });
  equal(status(accepted), 202);
  const place = header(accepted, 'content-location');
  let answer = await client.request(place);
  for (let tries = 0; status(answer) === 202 && tries < 100; tries++) {
    await new Promise((wake) => setTimeout(wake, 100));
    answer = await client.request(place);
  }
  equal([status(answer), answer.resourceType, answer.type], [200, 'Bundle', 'batch-response']);
  equal(answer.entry[0].resource.type, 'searchset');
});
end();
