"""fhirclient, the SMART client of Python, with the flows of its documentation. Its models are strict: an answer with an
element that R4 does not have, or that lacks one that R4 wants, raises."""

import sys

import requests
from fhirclient import client
from fhirclient.models.bundle import Bundle
from fhirclient.models.capabilitystatement import CapabilityStatement
from fhirclient.models.observation import Observation
from fhirclient.models.operationoutcome import OperationOutcome
from fhirclient.models.patient import Patient
from fhirclient.server import FHIRNotFoundException

import tap
from tap import check, equal, observation, patient, refused

smart = client.FHIRClient(settings={"app_id": "my_web_app", "api_base": sys.argv[1]})
server = smart.server


def make(family):
    """Creates a patient, and returns it as the server has it."""
    return Patient(Patient(patient(family)).create(server))


def outcome(error):
    """The outcome of a refusal."""
    issue = OperationOutcome(error.response.json()).issue[0]
    assert issue.diagnostics, issue.as_json()
    return issue


@check("prepare reads the CapabilityStatement and finds the server open")
def _():
    equal(smart.ready, False)
    equal(smart.prepare(), True)
    equal(smart.ready, True)
    equal(smart.authorize_url, None)
    equal(server.capabilityStatement.fhirVersion, "4.0.1")
    equal(CapabilityStatement.read_from("metadata", server).rest[0].mode, "server")


@check("create and read")
def _():
    made = make("Read")
    read = Patient.read(made.id, server)
    equal(smart.human_name(read.name[0]), "Ada Read")
    equal(read.meta.versionId, "1")
    equal(outcome(refused(FHIRNotFoundException, Patient.read, "nobody", server)).code, "not-found")


@check("read_from a version and a history")
def _():
    made = make("Version")
    equal(Patient.read_from(f"Patient/{made.id}/_history/1", server).id, made.id)
    for path in (f"Patient/{made.id}/_history", "Patient/_history", "_history"):
        found = Bundle.read_from(path, server)
        equal((found.type, found.entry[0].resource.id), ("history", made.id))


@check("update")
def _():
    made = make("Update")
    made.active = False
    updated = Patient(made.update(server))
    equal((updated.active, updated.meta.versionId), (False, "2"))
    chosen = Patient(patient("Chosen", id="chosen"))
    equal(Patient(chosen.update(server)).id, "chosen")


@check("delete")
def _():
    made = make("Delete")
    made.delete(server)
    error = refused(requests.HTTPError, Patient.read, made.id, server)
    equal(error.response.status_code, 410)
    equal(outcome(error).code, "deleted")


@check("what is searched for is written")
def _():
    global subject
    subject = make("Searched")
    for weight in range(51, 58):
        Observation(observation(subject.relativePath(), weight)).create(server)


@check("where: perform_resources, perform_resources_iter, perform_iter over all pages")
def _():
    search = Observation.where(struct={"subject": subject.id, "_count": "3"})
    equal(len(search.perform_resources(server)), 7)
    equal(len(list(search.perform_resources_iter(server))), 7)
    pages = list(search.perform_iter(server))
    equal([len(page.entry) for page in pages], [3, 3, 1])
    equal({page.type for page in pages}, {"searchset"})


@check("where with include, also reversed")
def _():
    search = Observation.where(struct={"subject": subject.id, "status": "final"}).include("subject")
    equal({one.resource_type for one in search.perform_resources_iter(server)}, {"Observation", "Patient"})
    search = Patient.where(struct={"_id": subject.id}).include("subject", Observation, reverse=True)
    equal(len(search.perform_resources(server)), 8)


@check("where with the operators of its little language")
def _():
    equal(len(Patient.where(struct={"family": {"$exact": "Searched"}}).perform_resources(server)), 1)
    equal(len(Patient.where(struct={"name": {"$or": ["Searched", "Nobody"]}}).perform_resources(server)), 1)
    equal(len(Patient.where(struct={"_id": subject.id, "birthdate": {"$missing": "true"}}).perform_resources(server)), 1)
    found = Observation.where(struct={"subject": {"$type": "Patient", "family": "Searched"}})
    equal(len(found.perform_resources(server)), 7)


@check("a search that is not understood is refused with an outcome")
def _():
    search = Patient.where(struct={"frobnicate": "1"})
    error = refused(requests.HTTPError, search.perform, server)
    equal(error.response.status_code, 400)
    assert "frobnicate" in outcome(error).diagnostics


@check("a transaction and a batch")
def _():
    for kind in ("transaction", "batch"):
        bundle = Bundle(
            {
                "resourceType": "Bundle",
                "type": kind,
                "entry": [
                    {"resource": patient(f"In{kind}"), "request": {"method": "POST", "url": "Patient"}},
                    {"request": {"method": "GET", "url": subject.relativePath()}},
                ],
            }
        )
        answer = Bundle(bundle.create(server))
        equal(answer.type, f"{kind}-response")
        equal([entry.response.status[:3] for entry in answer.entry], ["201", "200"])


@check("data that is no JSON: a Binary")
def _():
    made = requests.post(f"{sys.argv[1]}/Binary", data=b"%PDF\x00\xff", headers={"Content-Type": "application/pdf"})
    equal(made.status_code, 201)
    path = made.headers["Location"].split("/fhir/")[1].split("/_history")[0]
    equal(server.request_data(path, headers={"Accept": "application/pdf"}), b"%PDF\x00\xff")


@check("a reference that leads nowhere is refused with an outcome")
def _():
    error = refused(requests.HTTPError, Observation(observation("Patient/nowhere", 1)).create, server)
    equal(error.response.status_code, 409)
    outcome(error)


tap.end()
