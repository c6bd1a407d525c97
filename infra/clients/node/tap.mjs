// Prints a line for each check, as the Test Anything Protocol has it: "ok NAME" or "not ok NAME", at the end "1..N".
let done = 0;

/** Runs a check. What it throws makes it fail, and the checks behind it run all the same. */
export async function check(name, run) {
  done++;
  try {
    await run();
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`not ok ${name}`);
    const said = error.response?.data ? `\n${JSON.stringify(error.response.data)}` : '';
    for (const line of `${error.stack ?? error}${said}`.split('\n').slice(0, 10)) console.log(`# ${line}`);
  }
}

/** Ends the program's lines. */
export function end() {
  console.log(`1..${done}`);
}

export function equal(got, want) {
  if (JSON.stringify(got) !== JSON.stringify(want)) {
    throw new Error(`got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
  }
}

export function holds(condition, what) {
  if (!condition) throw new Error(`it does not hold that ${what}`);
}

/** Awaits what must be refused, and returns the error. */
export async function refused(promise) {
  let taken;
  try {
    taken = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`it was taken: ${JSON.stringify(taken)}`);
}

/** A patient that nobody else has. */
export function patient(family, more = {}) {
  return {
    resourceType: 'Patient',
    identifier: [{ system: 'http://example.org/patients', value: family }],
    active: true,
    name: [{ family, given: ['Ada'] }],
    ...more,
  };
}

/** A valid observation of a body weight in kg. */
export function observation(subject, weight) {
  return {
    resourceType: 'Observation',
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '29463-7', display: 'Body weight' }] },
    subject: { reference: subject },
    effectiveDateTime: '2026-11-30',
    performer: [{ reference: subject }],
    valueQuantity: { value: weight, unit: 'kg', system: 'http://unitsofmeasure.org', code: 'kg' },
  };
}
