"use strict";

// Shows the API's document. Whatever it needs comes from this server.
const main = document.getElementById("document");

SwaggerUIBundle({
  domNode: main,
  url: main.dataset.address,
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  defaultModelRendering: "model",
  displayRequestDuration: true,
  persistAuthorization: false,
  syntaxHighlight: { activated: true },
  validatorUrl: null,
});
