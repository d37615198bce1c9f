-- Generated from the migrations by dev/generate/schema.ts; not run by anything.


