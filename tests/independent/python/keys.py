"""The key tree of FORMAT.md section 3: which key is derived from which."""

import hashlib

from conventions import derive


def password_slot(export_key):
    return derive(export_key, "password slot")


def recovery_slot(phrase):
    return derive(phrase, "recovery slot")


def persona(vault_key, persona_id):
    return derive(vault_key, "persona", persona_id)


def label(persona_key):
    return derive(persona_key, "label")


def index(vault_key):
    return derive(vault_key, "index")


def device(vault_key):
    return derive(vault_key, "device")


def local_state(vault_key):
    return derive(vault_key, "local state")


def root_proof(root):
    return derive(root, "root proof")


def phrase_proof(phrase):
    return derive(phrase, "phrase proof")


def verifier(proof):
    return hashlib.sha256(proof).digest()
