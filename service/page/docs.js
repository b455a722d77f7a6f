// Shows openapi.json with Swagger UI, from this server alone.
"use strict";

window.SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#interface",
  deepLinking: true,
  validatorUrl: null, // it would send the description to swagger.io
  presets: [window.SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
});
